"""A curator's VitessceConfig → a named view in the manifest. One verb: `save_vitessce_config`.

What a notebook shows becomes a view of the artifact's page at the next build: checked against the
store, with the store's address written as `{store}`, so that it holds wherever the site lies.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.entry import SLUG, Entry
from portal.errors import Problem, ProblemsError, UsageError, did_you_mean
from portal.facts import StoreFacts
from portal.viewer import check_config, files_of
from portal.yamlblock import put_block
from portal.yamlfile import read_yaml

if TYPE_CHECKING:
    from portal.client.artifact import Artifact

__all__ = ["save_vitessce_config"]

MAX_BYTES = 200_000
"""Of a config as JSON. One that is larger holds data, which belongs into the store."""
STORE = "{store}"
_NOTEBOOK = "http://notebook.invalid"
"""Where stores on this machine seem to lie: Vitessce makes up an address for each."""
_LOCAL = re.compile(rf"{re.escape(_NOTEBOOK)}/[^/]+/[^/]+/[^/]+\.(sdata|spatialdata)\.zarr")


def save_vitessce_config(
    artifact: Artifact,
    vc: Any,
    *,
    name: str,
    manifest: str | Path = "data_manifest",
    store: str | None = None,
    replace: bool = False,
) -> Path:
    """Save a Vitessce config as the view `name` of an artifact; returns the entry's file.

    `vc` is a `VitessceConfig` of the package `vitessce`, or what its `to_dict` gives. Its files
    must be those of the artifact's own store: at an address that the portal has for it, at
    `store`, or as a `SpatialDataWrapper` of the store on this machine. `manifest` is the folder
    of the manifest, or the entry itself. What the page's view reads may be a smaller copy; where
    that lies in a folder here, the config is checked against it.

    Raises UsageError for a name that can't be one, an artifact that the manifest does not have, a
    view that is there already (unless `replace`), and ProblemsError with every fault of the config:
    a version that the viewer doesn't know, paths that the store doesn't have, other addresses.
    """
    if not SLUG.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be the name of a view: lower-case letters, digits and hyphens."
        )
    facts = _facts(artifact)
    config = _with_store(_as_json(vc), _own(artifact, store))
    where = f"view {name} of {artifact.id}"
    problems = [*check_config(config, facts, where, store=STORE), *_elsewhere(config, where)]
    if problems:
        raise ProblemsError(problems)
    path = _entry_file(Path(manifest), artifact.id)
    _write(path, name, config, replace)
    return path


def _facts(artifact: Artifact) -> StoreFacts:
    """What the page's view reads: the copy made for it where that is here, else the store."""
    record, view = artifact.record, artifact.record.products.view
    copy = view.store if view.shows == "copy" and not artifact.source.is_remote else None
    if copy and (folder := Path(artifact.source.address(copy))).is_dir():
        from portal.scan import scan_store

        return scan_store(folder, name=record.id)
    if record.facts is None:
        raise UsageError(
            f"The store of {record.id} was never scanned, so a view of it can't be checked. "
            "Build the portal with the store in reach first."
        )
    return record.facts


def _as_json(vc: Any) -> dict[str, Any]:
    """The config as JSON has it, bounded."""
    if hasattr(vc, "to_dict"):
        vc = vc.to_dict(base_url=_NOTEBOOK)
    if not isinstance(vc, Mapping):
        raise UsageError(
            f"A VitessceConfig or its dictionary is needed, not a {type(vc).__name__}."
        )
    try:
        text = json.dumps(vc, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as e:
        raise UsageError(f"The config can't be written as JSON: {e}.") from None
    if len(text) > MAX_BYTES:
        raise UsageError(
            f"The config has {len(text):,} bytes, {MAX_BYTES:,} may be: what it holds of the data "
            "belongs into the store."
        )
    return json.loads(text)


def _own(artifact: Artifact, store: str | None) -> list[str]:
    """The addresses under which the artifact's own store is known, the longest first."""
    products = artifact.record.products
    site = [p for p in (products.copy_ and products.copy_.store, products.view.store) if p]
    known = [STORE, store, artifact.record.url, *site]
    for path in site:
        if "://" not in path:  # as its page sees it, and from anywhere
            known += [f"../../{path}", artifact.source.address(path)]
    return sorted({a.rstrip("/") for a in known if a}, key=len, reverse=True)


def _with_store(config: dict[str, Any], own: list[str]) -> dict[str, Any]:
    """The config with `{store}` for the artifact's own store."""
    local = {m[0] for f in files_of(config) if (m := _LOCAL.match(str(f.get("url"))))}
    own = [*own, *local] if len(local) == 1 else own

    def written(url: Any) -> Any:
        if not isinstance(url, str):
            return url
        for address in own:
            if url.rstrip("/") == address or url.startswith(f"{address}/"):
                return STORE + url.removeprefix(address).rstrip("/")
        return url

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: written(v) if k == "url" else walk(v) for k, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list) else value

    return walk(config)


def _elsewhere(config: Mapping[str, Any], where: str) -> list[Problem]:
    """Files that do not lie in the artifact's own store: the page could not read them."""
    urls = [f.get("url") for f in files_of(config)]
    others = {str(url)[:200] for url in urls if url != STORE and not _inside(url)}
    return [
        Problem(
            code="view-address",
            severity="error",
            where=where,
            what="It reads a store on this machine that is no SpatialData store, or several."
            if url.startswith(_NOTEBOOK)
            else f"It reads `{url}`, which is not the artifact's own store.",
            remedy="Use one SpatialDataWrapper for the artifact's store, or name the address that "
            "it has in the config with `store=`.",
        )
        for url in sorted(others)
    ]


def _inside(url: Any) -> bool:
    return isinstance(url, str) and url.startswith(f"{STORE}/") and ".." not in url.split("/")


def _entry_file(manifest: Path, id_: str) -> Path:
    """The file of an entry; the manifest may be a folder or the file itself."""
    if manifest.is_file() and manifest.stem == id_:
        return manifest
    if not manifest.is_dir():
        raise UsageError(f"There is no manifest in {manifest}: name its folder with `manifest=`.")
    entries = [p for p in manifest.rglob("*.y*ml") if p.suffix in (".yaml", ".yml")]
    found = [p for p in entries if p.stem == id_]
    if not found:
        hint = did_you_mean(id_, {p.stem for p in entries})
        raise UsageError(f"{manifest} has no entry {id_!r}. {hint}".strip())
    if len(found) > 1:
        raise UsageError(f"{id_!r} has several files: {', '.join(map(str, sorted(found)))}.")
    return found[0]


def _write(path: Path, name: str, config: dict[str, Any], replace: bool) -> None:
    """Put the view into the entry: a whole file in its place, or the old one."""
    entry, problems, _ = read_yaml(path, Entry)
    if entry is None:
        raise ProblemsError(problems)
    if name in entry.views and not replace:
        raise UsageError(
            f"{path} has a view {name!r} already. Take another name, or `replace=True`."
        )
    with path.open(encoding="utf-8", newline="") as f:
        text = f.read()
    try:
        text = put_block(text, "views", name, config)
    except ValueError as e:
        raise UsageError(f"The view can't be put into {path}: {e}.") from None
    beside = path.with_name(f".{path.name}.saving")
    try:
        with beside.open("w", encoding="utf-8", newline="") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        _, problems, _ = read_yaml(beside, Entry, shown_as=str(path))
        if problems:
            raise ProblemsError(problems)
        beside.chmod(path.stat().st_mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
