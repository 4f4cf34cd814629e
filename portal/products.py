"""What the build makes for one artifact: the published copy, the interactive view, the picture.

View stores and pictures are kept in a cache, named by the store's fingerprint, what was asked
for and the code's version, so that a store is worked on once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from portal import __version__
from portal.config import SiteConfig
from portal.copying import publish_copy
from portal.errors import Problem, is_machine_fault
from portal.facts import StoreFacts
from portal.manifest import Entry
from portal.record import Picture, Products, PublishedCopy, Record, View

__all__ = ["Artifact", "Budget", "make_products"]


@dataclass(frozen=True)
class Artifact:
    """One artifact on its way through the build; `source` is its local store, if any."""

    entry: Entry
    record: Record
    source: Path | None


class Budget:
    """How many bytes of data the site may still hold, and which copies were chosen to fit."""

    def __init__(self, artifacts: list[Artifact], config: SiteConfig):
        self.left = config.limits.site_bytes
        self.too_large: dict[str, int] = {}
        wanted = sorted(
            (a.record.facts.bytes or 0, a.record.id)
            for a in artifacts
            if config.data.publish == "copy" and a.source and a.record.facts and _offered(a.record)
        )
        # Views first: every artifact keeps room for one, the largest copies give way.
        views = config.viewer.max_store_bytes if config.viewer.mode != "none" else 0
        reserved = sum(
            min(views, a.record.facts.bytes or 0) for a in artifacts if a.source and a.record.facts
        )
        room = max(0, self.left - reserved)
        self.copies: set[str] = set()
        for size, id_ in wanted:
            if size <= room:
                self.copies.add(id_)
                room -= size
            else:
                self.too_large[id_] = size

    def take(self, size: int) -> bool:
        """Whether `size` bytes still fit; takes them if so."""
        if size > self.left:
            return False
        self.left -= size
        return True


def make_products(artifact: Artifact, config: SiteConfig, site: Path, budget: Budget) -> Record:
    """Make everything for one artifact under `site`; returns the record that names it all.

    A failure in one product is a problem of this artifact, never of the build.
    """
    record, source = artifact.record, artifact.source
    problems: list[Problem] = []
    if not _offered(record):
        return _with(record, Products(view=View(reason=_why_not_offered(record))))
    if source is None or record.facts is None:
        reason = (
            "The store lies elsewhere and has not been scanned yet, so nothing can be drawn."
            if artifact.entry.source or artifact.entry.url
            else "The entry names no store."
        )
        return _with(record, Products(view=View(reason=reason)))
    if record.facts.kind != "spatialdata":
        return _with(record, Products(view=View(reason=_not_drawable(record.facts))))

    from portal.viewstore import NothingToShow

    copy: PublishedCopy | None = None
    if record.id in budget.copies and budget.take(record.facts.bytes or 0):
        copy = publish_copy(source, site, record.id)
    elif record.id in budget.too_large:
        problems.append(
            Problem(
                code="site-full",
                severity="warning",
                where=record.id,
                what=f"The original ({budget.too_large[record.id]:,} bytes) is not on this site: "
                f"all data together may have {config.limits.site_bytes:,} bytes.",
                remedy="Publish it elsewhere and give its `url`, or raise limits.site_bytes.",
            )
        )
    if find_spec("spatialdata") is None:
        reason = "This site was built without the extra `build`, which makes views and pictures."
        return _with(record, Products(view=View(reason=reason), copy=copy))
    try:
        view, made = _view(artifact, copy, config, site, budget, problems)
    except NothingToShow as e:
        view, made = View(reason=str(e)), None
    except Exception as e:  # what a foreign store can raise has no end
        if is_machine_fault(e):
            raise
        problems.append(_failed(record, "view-failed", "The view could not be made", e))
        view, made = View(reason=f"The view could not be made: {_first_line(e)}"), None
    try:
        picture = _picture(artifact, made, config, site)
    except Exception as e:
        if is_machine_fault(e):
            raise
        problems.append(_failed(record, "picture-failed", "The thumbnail could not be made", e))
        picture = None
    record = record.model_copy(update={"problems": (*record.problems, *problems)})
    return _with(record, Products(picture=picture, view=view, copy=copy))


@dataclass(frozen=True)
class _Made:
    """A view store in the cache."""

    path: Path
    hints: dict[str, Any]
    left_out: tuple[str, ...]
    coordinate_system: str | None
    bytes: int
    files: int


def _view(
    artifact: Artifact,
    copy: PublishedCopy | None,
    config: SiteConfig,
    site: Path,
    budget: Budget,
    problems: list[Problem],
) -> tuple[View, _Made | None]:
    from portal.scan import scan_store
    from portal.viewer import check_config, compose, original_faults

    record, facts = artifact.record, artifact.record.facts
    assert facts is not None
    assert artifact.source is not None
    mode = config.viewer.mode
    if mode == "none":
        return View(reason="This portal makes no interactive views."), None
    original = copy.store if copy else _reachable(record.url, config)
    faults = original_faults(facts)
    if mode == "original" and (original is None or faults):
        why = " ".join(faults) or "It is not where a browser may read it."
        return View(reason=f"The original can't be shown as it is. {why}"), None

    made = _view_store(artifact, config) if mode != "original" else None
    if original is not None and not faults and mode != "copy":
        shown = _Shown(original, facts, facts.bytes or 0, facts.files or 0, "original")
    elif made is not None and budget.take(made.bytes):
        address = f"data/{record.id}/view-{facts.fingerprint[:16]}.zarr"
        shutil.copytree(made.path, site / address)
        seen = scan_store(made.path, name=record.id)
        shown = _Shown(address, seen, made.bytes, made.files, "copy")
    else:
        return View(reason="There was no room left on this site for the view's data."), made
    for name, own in artifact.entry.views.items():
        problems += check_config(own, shown.facts, artifact.entry.where("views", name))
    vitessce = compose(
        shown.facts,
        shown.from_page,
        hints=made.hints if made else None,
        title=record.title,
        obs_noun=record.obs_noun,
    )
    if isinstance(vitessce, str):
        return View(reason=vitessce), made
    folder = site / "datasets" / record.id
    folder.mkdir(parents=True, exist_ok=True)
    unit = made.hints.get("unit") if made and shown.what == "copy" else None
    # For our own page alone: other viewers refuse keys that they don't know.
    _write_config(folder / "vitessce.json", vitessce | ({"portal": {"unit": unit}} if unit else {}))
    if config.base_url:
        absolute = _with_address(vitessce, shown.from_page, shown.absolute(config.base_url))
        _write_config(folder / "vitessce.absolute.json", absolute)
    return (
        View(
            config=f"datasets/{record.id}/vitessce.json",
            shows=shown.what,
            store=shown.address,
            bytes=shown.bytes,
            files=shown.files,
            coordinate_system=made.coordinate_system if made else None,
            left_out=made.left_out if made and shown.what == "copy" else (),
            named=_named_views(artifact.entry, folder, shown.from_page),
        ),
        made,
    )


@dataclass(frozen=True)
class _Shown:
    """The store that a view reads; `address` is relative to the site's root, or absolute."""

    address: str
    facts: StoreFacts
    bytes: int
    files: int
    what: Literal["original", "copy"]

    @property
    def from_page(self) -> str:
        """The address as the artifact's page sees it."""
        return self.address if "://" in self.address else f"../../{self.address}"

    def absolute(self, base_url: str) -> str:
        return self.address if "://" in self.address else base_url + self.address


def _named_views(entry: Entry, folder: Path, address: str) -> dict[str, str]:
    """Write the curator's own configs; `{store}` in an address stands for the view's store."""
    named = {}
    for name, own in entry.views.items():
        path = folder / f"vitessce-{name}.json"
        _write_config(path, _with_address(own, "{store}", address))
        named[name] = f"datasets/{entry.id}/{path.name}"
    return named


def _with_address(config: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: new if k == "url" and v == old else walk(v) for k, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list) else value

    return walk(config)


def _write_config(path: Path, vitessce: dict[str, Any]) -> None:
    path.write_text(json.dumps(vitessce, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _view_store(artifact: Artifact, config: SiteConfig) -> _Made:
    """The view store from the cache, made where it is not there yet."""
    from portal.viewstore import make_view_store

    facts = artifact.record.facts
    assert facts is not None
    assert artifact.source is not None
    folder = _cache(config, facts, f"view {config.viewer.max_store_bytes}")
    description = folder / "view.json"
    if description.is_file():
        stored = json.loads(description.read_text("utf-8"))
        return _Made(
            path=folder / "view.zarr",
            hints=stored["hints"],
            left_out=tuple(stored["left_out"]),
            coordinate_system=stored["coordinate_system"],
            bytes=stored["bytes"],
            files=stored["files"],
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    store = make_view_store(
        artifact.source, facts, folder / "view.zarr", max_bytes=config.viewer.max_store_bytes
    )
    made = _Made(
        path=store.path,
        hints=store.hints,
        left_out=store.left_out,
        coordinate_system=store.coordinate_system,
        bytes=store.bytes,
        files=store.files,
    )
    # Written last: a folder without it is an interrupted attempt.
    temporary = folder / "view.json.new"
    temporary.write_text(
        json.dumps(
            {
                "hints": made.hints,
                "left_out": made.left_out,
                "coordinate_system": made.coordinate_system,
                "bytes": made.bytes,
                "files": made.files,
            }
        ),
        "utf-8",
    )
    temporary.rename(description)
    return made


def _picture(
    artifact: Artifact, made: _Made | None, config: SiteConfig, site: Path
) -> Picture | None:
    from portal.preview import make_preview

    facts = artifact.record.facts
    assert facts is not None
    assert artifact.source is not None
    folder = _cache(config, facts, "picture")
    description = folder / "picture.json"
    if not description.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        picture = make_preview(
            made.path if made else artifact.source,
            facts,
            made.hints if made else {},
            folder,
            "picture",
            obs_noun=artifact.record.obs_noun,
        )
        temporary = folder / "picture.json.new"
        temporary.write_text(picture.model_dump_json() if picture else "null", "utf-8")
        temporary.rename(description)
    stored = json.loads(description.read_text("utf-8"))
    if stored is None:
        return None
    picture = Picture.model_validate(stored)
    out = site / "datasets" / artifact.record.id
    out.mkdir(parents=True, exist_ok=True)
    files = {}
    for width, name in picture.files.items():
        content = (folder / name).read_bytes()
        hashed = f"picture-{width}-{hashlib.sha256(content).hexdigest()[:8]}.webp"
        (out / hashed).write_bytes(content)
        files[width] = f"datasets/{artifact.record.id}/{hashed}"
    return picture.model_copy(update={"files": files})


def _cache(config: SiteConfig, facts: StoreFacts, what: str) -> Path:
    key = hashlib.sha256(f"{facts.fingerprint}\n{what}\n{__version__}\n{_code()}".encode())
    return config.root / ".portal" / "cache" / key.hexdigest()[:24]


def _code() -> str:
    """A hash of the modules that make products: what they made before a change is not reused."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(here.glob("*.py")):
        if path.stem.startswith(("view", "preview", "scan", "store", "facts")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _reachable(url: str | None, config: SiteConfig) -> str | None:
    """The address under which a browser may read the original, None where it may not."""
    if url is None:
        return None
    for old, new in config.viewer.rewrite.items():
        if url.startswith(old):
            url = new + url.removeprefix(old)
            break
    parts = urlsplit(url)
    return url if f"{parts.scheme}://{parts.netloc}" in config.viewer.origins else None


def _offered(record: Record) -> bool:
    return record.status in ("public", "superseded")


def _why_not_offered(record: Record) -> str:
    if record.status == "withdrawn":
        return "The artifact was withdrawn."
    return "The artifact is announced and not published yet."


def _not_drawable(facts: StoreFacts) -> str:
    kinds = {
        "anndata": "The store is an AnnData object, not SpatialData.",
        "mudata": "The store is a MuData object, not SpatialData.",
        "ome-zarr": "The store is a plain OME-Zarr image, not SpatialData.",
        "zarr": "The store is zarr, but not SpatialData.",
        "unreadable": "The store can't be read.",
    }
    return kinds[facts.kind]


def _failed(record: Record, code: str, what: str, e: Exception) -> Problem:
    return Problem(
        code=code,
        severity="warning",
        where=record.id,
        what=f"{what}: {_first_line(e)}",
        remedy="Open the store with spatialdata to see which element is at fault.",
    )


def _first_line(e: Exception) -> str:
    return f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}".rstrip(": ")[:300]


def _with(record: Record, products: Products) -> Record:
    return record.model_copy(update={"products": products})
