"""A cohort in a small file, and back: `freeze(artifacts, path)`, `thaw(path)`.

The file pins the portal's address and, for each artifact, its id, version, the fingerprint of its
store, and a digest over the name, bytes and sha256 of each published file. So a store that was
published anew at the same address is noticed, before anybody computes with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portal.client.cohort import in_parallel
from portal.client.filelist import NoFiles, store_files
from portal.client.manifest import pinned
from portal.client.source import NotThere
from portal.entry import ID
from portal.errors import PortalError, UsageError

if TYPE_CHECKING:
    from portal.client.artifact import Artifact
    from portal.client.query import Hits
    from portal.client.source import Source

__all__ = ["Changed", "Frozen", "Pin", "changes", "freeze", "read_frozen", "thaw"]


class Changed(PortalError):
    """Artifacts are not what they were when their cohort was frozen."""


class Pin(BaseModel):
    """One artifact as it was; `files` is the digest of its files, None where nobody lists them."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, Field(pattern=f"^{ID.pattern}$")]
    version: str | None
    fingerprint: str | None
    files: str | None


class Frozen(BaseModel):
    """A cohort: the portal's address, and what its artifacts were."""

    model_config = ConfigDict(frozen=True)

    format: Literal["spatialdata-portal/cohort/1"] = "spatialdata-portal/cohort/1"
    portal: str
    artifacts: tuple[Pin, ...]


def freeze(artifacts: Iterable[Artifact], path: str | Path) -> Frozen:
    """Write what artifacts are now to `path`, as JSON, in order of their ids.

    Raises UsageError where there are none, or where they are of several portals.
    """
    chosen = {a.id: a for a in artifacts}
    portals = {a.source.root for a in chosen.values()}
    if len(portals) != 1:
        raise UsageError("A cohort has artifacts of one portal, and at least one of them.")
    pins = in_parallel(_pin, (a for _, a in sorted(chosen.items())))
    frozen = Frozen(portal=portals.pop(), artifacts=tuple(pins))
    Path(path).write_text(frozen.model_dump_json(indent=1) + "\n", "utf-8")
    return frozen


def _pin(artifact: Artifact) -> Pin:
    version, fingerprint = pinned(artifact)
    try:
        files = store_files(artifact.record, artifact.source).digest
    except NoFiles:
        files = None
    return Pin(id=artifact.id, version=version, fingerprint=fingerprint, files=files)


def read_frozen(path: str | Path) -> Frozen:
    """The cohort in a file. Raises UsageError where it is none."""
    try:
        return Frozen.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError:
        raise UsageError(f"There is no cohort at {path}.") from None
    except ValidationError as e:
        raise UsageError(f"{path} is no frozen cohort: {e.errors()[0]['msg']}.") from None


def changes(frozen: Frozen, source: Source) -> list[str]:
    """A sentence for each artifact that is not what it was; empty where all are."""
    from portal.client.artifact import Artifact

    was = {pin.id: pin for pin in frozen.artifacts}

    def change(artifact: Artifact) -> str:
        try:
            record = artifact.record
            if record.status in ("withdrawn", "superseded"):
                by = f" by {record.superseded_by}" if record.superseded_by else ""
                return f"{artifact.id} is {record.status}{by}"
            return _difference(was[artifact.id], _pin(artifact))
        except NotThere:
            return f"{artifact.id} is no longer there"

    found = in_parallel(change, (Artifact(id_, source, {}) for id_ in was))
    return [sentence for sentence in found if sentence]


def _difference(was: Pin, now: Pin) -> str:
    if was.version != now.version:
        return f"{was.id} was version {was.version}, and is {now.version}"
    if was.fingerprint != now.fingerprint or was.files != now.files:
        return f"{was.id} was published anew, with other content under the same version"
    return ""


def thaw(path: str | Path, *, portal: str | Path | None = None, strict: bool = True) -> Hits:
    """The artifacts of a frozen cohort, from the portal that it names or where that is now.

    Raises Changed, or warns where not `strict`, naming each artifact that is not what it was.
    Those that the portal lists no longer are then left out; `Portal.get` still reaches them.
    """
    from portal.client import open_portal

    frozen = read_frozen(path)
    site = open_portal(portal or frozen.portal)
    found = changes(frozen, site.source)
    told = f"The cohort {path} is not what it was: {'; '.join(found)}."
    if found and strict:
        raise Changed(
            f"{told} Get the older version of these, freeze anew, or go on with what there is "
            "now: thaw(path, strict=False)."
        )
    if found:
        warnings.warn(told, stacklevel=2)
    listed = set(site.ids)
    return site.select(pin.id for pin in frozen.artifacts if pin.id in listed)
