"""Downloaded stores and what they were: `Manifest.read(path)`.

`manifest.json` has a hash of each store, and beside it is the list of its files: what is missing
or damaged later can be told without the portal, and fetched again from it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portal.client.fetching import Take, alone, fetch_store
from portal.client.filelist import StoreFile, StoreFiles, store_files
from portal.client.source import Damaged, open_source
from portal.entry import ID
from portal.errors import BuildError, PortalError, UsageError, did_you_mean, is_machine_fault
from portal.words import count, size

if TYPE_CHECKING:
    from portal.client.artifact import Artifact

__all__ = ["Fetched", "Manifest", "all_of_them", "pinned", "wanted"]

_MANIFEST = "manifest.json"
_LISTS = ".portal"
"""The folder beside the manifest with the list of files of each store."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Fetched(_Part):
    """One store that was downloaded. `sha256` is that of the list of its files; `digest` names
    the store as the portal published it then."""

    id: Annotated[str, Field(pattern=f"^{ID.pattern}$")]
    portal: str
    version: str | None
    fingerprint: str | None
    elements: tuple[str, ...] | None
    bytes: int
    files: int
    digest: str
    sha256: str


class _File(_Part):
    path: str
    bytes: int
    sha256: str


class _Lists(BaseModel):
    files: tuple[_File, ...]


class _Stored(BaseModel):
    format: Literal["spatialdata-portal/download/1"] = "spatialdata-portal/download/1"
    artifacts: tuple[Fetched, ...] = ()


class Manifest:
    """What lies in a folder of downloaded stores."""

    def __init__(self, folder: Path, artifacts: Iterable[Fetched] = ()):
        self.folder = folder
        self.artifacts = {a.id: a for a in artifacts}
        """By id."""

    def __repr__(self) -> str:
        total = sum(a.bytes for a in self.artifacts.values())
        return (
            f"<Manifest of {self.folder}: {count(len(self.artifacts), 'artifact')}, {size(total)}>"
        )

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """From `manifest.json` or the folder that it is in. Raises UsageError where it is none."""
        path = Path(path).expanduser().absolute()
        path = path / _MANIFEST if path.is_dir() else path
        try:
            stored = _Stored.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise UsageError(f"There is no manifest of a download at {path}.") from None
        except ValidationError as e:
            what = e.errors()[0]["msg"]
            raise UsageError(f"{path} is no manifest of a download: {what}.") from None
        return cls(path.parent, stored.artifacts)

    @classmethod
    def of(cls, folder: Path) -> Manifest:
        """That of a folder; an empty one where it has none yet."""
        return cls.read(folder) if (folder / _MANIFEST).is_file() else cls(folder)

    def path(self, id_: str) -> Path:
        """Where the store of an artifact is. Raises UsageError for one that was not downloaded."""
        if id_ not in self.artifacts:
            hint = did_you_mean(id_, self.artifacts)
            raise UsageError(f"{self.folder} has no artifact {id_!r}. {hint}".strip())
        return self.folder / f"{id_}.zarr"

    def damaged(self) -> dict[str, list[str]]:
        """By id, the files that are missing or not what they were; reads every file.

        Of a store whose own list of files is not right that is the list.
        """
        found = {id_: self._wrong(fetched) for id_, fetched in self.artifacts.items()}
        return {id_: wrong for id_, wrong in found.items() if wrong}

    def _wrong(self, fetched: Fetched) -> list[str]:
        files = self._files(fetched)
        if files is None:
            return [f"{_LISTS}/{fetched.id}.json"]
        store = self.path(fetched.id)
        return [f.path for f in files if not _is(store / f.path, f.bytes, f.sha256)]

    def refetch(self, *, progress: bool = True) -> list[str]:
        """Restore what is missing or damaged, from where it came; returns the ids of those.

        Files that are right stay. Raises PortalError, after all others are restored, naming those
        that their portal has no longer, or publishes anew.
        """
        from portal.client.artifact import Artifact

        damaged = self.damaged()
        sources = {p: open_source(p) for p in {self.artifacts[i].portal for i in damaged}}

        def restore(id_: str) -> None:
            fetched = self.artifacts[id_]
            artifact = Artifact(id_, sources[fetched.portal], {})
            files = wanted(artifact, fetched.elements)
            if files.digest != fetched.digest:
                raise Damaged(f"{fetched.portal} has published it anew since it was downloaded.")
            self.fetch(artifact, files, progress=progress)

        all_of_them(restore, damaged)
        return sorted(damaged)

    def fetch(self, artifact: Artifact, files: StoreFiles, *, progress: bool = True) -> None:
        """Fetch the store of one artifact, but for the files of it that are there and right."""
        store = self.folder / f"{files.id}.zarr"
        if files.id not in self.artifacts and store.exists():
            raise UsageError(f"{store} is there already, and no download has put it there.")
        with alone(self.folder / _LISTS / files.id):
            fetch_store(files, store, take=self._taker(files), progress=progress)
            listed = _listed(store, files)
            body = _Lists(files=listed).model_dump_json(indent=0).encode()
            (self.folder / _LISTS / f"{files.id}.json").write_bytes(body)
        version, fingerprint = pinned(artifact)
        self._add(
            Fetched(
                id=files.id,
                portal=artifact.source.root,
                version=version,
                fingerprint=fingerprint,
                elements=files.elements,
                bytes=sum(f.bytes for f in listed),
                files=len(listed),
                digest=files.digest,
                sha256=hashlib.sha256(body).hexdigest(),
            )
        )

    def _taker(self, files: StoreFiles) -> Take:
        """Takes what is right of an earlier download of the same artifact."""
        had = self.artifacts.get(files.id)
        store = self.folder / f"{files.id}.zarr"
        was = {f.path: f for f in (had and self._files(had)) or ()}

        def take(file: StoreFile, to: Path) -> bool:
            old = was.get(file.path)
            if had is None or old is None or not _is(store / file.path, old.bytes, old.sha256):
                return False
            # Without a hash of its own a file is the same as long as all of the store is.
            if file.sha256 != old.sha256 and (file.sha256 or files.digest != had.digest):
                return False
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(store / file.path, to)
            return True

        return take

    def _files(self, fetched: Fetched) -> tuple[_File, ...] | None:
        """The files of a store as they were, None where their list is not what it was."""
        try:
            body = (self.folder / _LISTS / f"{fetched.id}.json").read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(body).hexdigest() != fetched.sha256:
            return None
        return _Lists.model_validate_json(body).files

    def _add(self, fetched: Fetched) -> None:
        """Into manifest.json, with whatever other processes have put into it meanwhile."""
        path = self.folder / _MANIFEST
        with alone(self.folder / _LISTS / _MANIFEST):
            others = Manifest.of(self.folder).artifacts
            self.artifacts = {**self.artifacts, **others, fetched.id: fetched}
            stored = _Stored(artifacts=tuple(a for _, a in sorted(self.artifacts.items())))
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(stored.model_dump_json(indent=1) + "\n", "utf-8")
            beside.replace(path)


def _listed(store: Path, files: StoreFiles) -> tuple[_File, ...]:
    """Every file of a store that just came, with its sha256."""
    known = {f.path: f.sha256 for f in files.files if f.sha256 and f.path.count("/") > 1}
    listed = []
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        relative = path.relative_to(store).as_posix()
        # The metadata of groups may have been written anew; what came without a hash gets one.
        sha256 = (None if files.packed else known.get(relative)) or _sha256(path)
        listed.append(_File(path=relative, bytes=path.stat().st_size, sha256=sha256))
    return tuple(listed)


def _is(path: Path, bytes_: int, sha256: str) -> bool:
    return path.is_file() and path.stat().st_size == bytes_ and _sha256(path) == sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wanted(artifact: Artifact, elements: Sequence[str] | None) -> StoreFiles:
    """The files of an artifact's store, or only those of some elements."""
    files = store_files(artifact.record, artifact.source)
    return files if elements is None else files.only(elements)


def pinned(artifact: Artifact) -> tuple[str | None, str | None]:
    """The version and the fingerprint that an artifact has now."""
    record = artifact.record
    version = record.versions[-1].version if record.versions else None
    return version, record.facts.fingerprint if record.facts else None


def all_of_them(job: Callable[[str], None], ids: Iterable[str]) -> None:
    """Do a job for each id; raises PortalError at the end, of all that went wrong."""
    faults = []
    for id_ in ids:
        try:
            job(id_)
        except (PortalError, OSError) as e:
            if isinstance(e, BuildError) or is_machine_fault(e):
                raise
            faults.append(f"{id_}: {e}")
    if faults:
        raise PortalError("\n".join(faults))
