"""What the build makes for one artifact: the published copy, the interactive view, the picture.

All three are kept in a cache, by the store's state, what was asked for, and the versions of the
code that makes them, so that a store is worked on once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as cache_once
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from portal.cache import Cache, link_tree
from portal.config import SiteConfig
from portal.copying import publish_copy
from portal.entry import Entry
from portal.errors import Problem, is_machine_fault
from portal.facts import StoreFacts
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
        self.limit = self.left = config.limits.site_bytes
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


def make_products(
    artifact: Artifact, config: SiteConfig, cache: Cache, site: Path, budget: Budget
) -> Record:
    """Make everything for one artifact under `site`; returns the record that names it all.

    A failure in one product is a problem of this artifact, never of the build.
    """
    record, source = artifact.record, artifact.source
    problems: list[Problem] = []
    if not _offered(record):
        return _with(record, Products(view=View(reason=_why_not_offered(record))))
    if record.facts is None:
        reason = (
            "The store lies elsewhere and has not been scanned yet, so nothing can be drawn."
            if artifact.entry.source or artifact.entry.url
            else "The entry names no store."
        )
        return _with(record, Products(view=View(reason=reason)))
    if source is None:
        reason = "The store lies elsewhere, so nothing is drawn from it."
        return _with(record, Products(view=View(reason=reason)))
    if record.facts.kind != "spatialdata":
        return _with(record, Products(view=View(reason=_not_drawable(record.facts))))

    copy = _attempt(
        record, "copy", problems, lambda: _copy(artifact, cache, site, budget, problems)
    )
    if find_spec("spatialdata") is None:
        reason = "This site was built without the extra `build`, which makes views and pictures."
        view, picture = View(reason=reason), None
    else:
        drawn = _attempt(
            record,
            "view",
            problems,
            lambda: _drawn(artifact, copy, config, cache, site, budget, problems),
        )
        view, made = drawn or (View(reason=problems[-1].what), None)
        picture = _attempt(
            record, "picture", problems, lambda: _picture(artifact, made, config, cache, site)
        )
    record = record.model_copy(update={"problems": (*record.problems, *problems)})
    return _with(record, Products(picture=picture, view=view, copy=copy))


T = TypeVar("T")


def _attempt(record: Record, what: str, problems: list[Problem], make: Callable[[], T]) -> T | None:
    """What `make` gives; None and a problem where a foreign store makes it fail."""
    try:
        return make()
    except Exception as e:  # what a foreign store can raise has no end
        if is_machine_fault(e):
            raise
        problems.append(
            Problem(
                code=f"{what}-failed",
                severity="warning",
                where=record.id,
                what=f"The {what} could not be made: {_first_line(e)}.",
                remedy="Open the store with spatialdata to see which element is at fault.",
            )
        )
        return None


def _copy(
    artifact: Artifact, cache: Cache, site: Path, budget: Budget, problems: list[Problem]
) -> PublishedCopy | None:
    """The published copy, None where none is wanted or there is no room for it."""
    record, source = artifact.record, artifact.source
    assert source is not None
    assert record.facts is not None
    if record.id in budget.too_large:
        problems.append(
            Problem(
                code="site-full",
                severity="warning",
                where=record.id,
                what=f"The original ({budget.too_large[record.id]:,} bytes) is not on this site: "
                f"all data together may have {budget.limit:,} bytes.",
                remedy="Publish it elsewhere and give its `url`, or raise limits.site_bytes.",
            )
        )
    if record.id not in budget.copies or not budget.take(record.facts.bytes or 0):
        return None

    def make(folder: Path) -> None:
        made = publish_copy(source, folder, record.id)
        (folder / ".copy.json").write_text(made.model_dump_json(), "utf-8")

    kept = cache.folder("copy", record.id, record.facts.state, make=make)
    link_tree(kept, site / "data" / record.id)
    note = site / "data" / record.id / ".copy.json"
    copy = PublishedCopy.model_validate_json(note.read_bytes())
    note.unlink()
    return copy


@dataclass(frozen=True)
class _Made:
    """A view store in the cache, or the reason why there is none."""

    path: Path
    hints: dict[str, Any]
    left_out: tuple[str, ...]
    coordinate_system: str | None
    bytes: int
    files: int
    digest: str
    """Of its content: the address changes with it, so that no browser mixes two stores."""
    reason: str


def _drawn(
    artifact: Artifact,
    copy: PublishedCopy | None,
    config: SiteConfig,
    cache: Cache,
    site: Path,
    budget: Budget,
    problems: list[Problem],
) -> tuple[View, _Made | None]:
    made = _view_store(artifact, config, cache)
    return _view(artifact, made, copy, config, site, budget, problems), made


def _view(
    artifact: Artifact,
    made: _Made | None,
    copy: PublishedCopy | None,
    config: SiteConfig,
    site: Path,
    budget: Budget,
    problems: list[Problem],
) -> View:
    """Choose what the view shows, put it on the site, and write its config."""
    from portal.scan import scan_store
    from portal.viewer import compose, original_faults

    record, facts = artifact.record, artifact.record.facts
    assert facts is not None
    if config.viewer.mode == "none":
        return View(reason="This portal makes no interactive views.")
    original = _reachable(copy.store if copy else None, record.url, config)
    faults = original_faults(facts)
    if original is not None and not faults and config.viewer.mode != "copy":
        shown = _Shown(original, facts, facts.bytes or 0, facts.files or 0, "original")
    elif made is None:
        why = " ".join(faults) or "It is not where a browser may read it."
        return View(reason=f"The original can't be shown as it is. {why}")
    elif made.reason:
        return View(reason=made.reason)
    elif budget.take(made.bytes):
        address = f"data/{record.id}/view-{made.digest}.zarr"
        link_tree(made.path, site / address)
        seen = scan_store(made.path, name=record.id)
        shown = _Shown(address, seen, made.bytes, made.files, "copy")
    else:
        problems.append(
            Problem(
                code="site-full",
                severity="warning",
                where=record.id,
                what=f"There is no room for the {made.bytes:,} bytes that the view reads.",
                remedy="Raise limits.site_bytes, or lower viewer.max_store_bytes.",
            )
        )
        return View(reason="There is no room left on this site for what the view would read.")
    vitessce = compose(
        shown.facts,
        shown.from_page,
        hints=made.hints if made and shown.what == "copy" else None,
        title=record.title,
        obs_noun=record.obs_noun,
    )
    if isinstance(vitessce, str):
        return View(reason=vitessce)
    folder = site / "datasets" / record.id
    folder.mkdir(parents=True, exist_ok=True)
    copied = made if made and shown.what == "copy" else None
    unit = copied.hints.get("unit") if copied else None
    # For our own page alone: other viewers refuse keys that they don't know.
    _write_config(folder / "vitessce.json", vitessce | ({"portal": {"unit": unit}} if unit else {}))
    if config.base_url:
        absolute = _with_address(vitessce, shown.from_page, shown.absolute(config.base_url))
        _write_config(folder / "vitessce.absolute.json", absolute)
    return View(
        config=f"datasets/{record.id}/vitessce.json",
        shows=shown.what,
        store=shown.address,
        bytes=shown.bytes,
        files=shown.files,
        coordinate_system=copied.coordinate_system if copied else None,
        left_out=copied.left_out if copied else (),
        named=_named_views(artifact.entry, shown, folder, problems),
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


def _named_views(
    entry: Entry, shown: _Shown, folder: Path, problems: list[Problem]
) -> dict[str, str]:
    """Write the curator's own configs; `{store}` as an address stands for the view's store.

    A config with an error is named as a problem and not offered.
    """
    from portal.viewer import check_config

    named = {}
    for name, own in entry.views.items():
        config = _with_address(own, "{store}", shown.from_page)
        found = check_config(config, shown.facts, entry.where("views", name))
        problems += found
        if not any(p.severity == "error" for p in found):
            path = folder / f"vitessce-{name}.json"
            _write_config(path, config)
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


def _view_store(artifact: Artifact, config: SiteConfig, cache: Cache) -> _Made | None:
    """The view store from the cache, made where it is not there yet; None where none is wanted."""
    from portal.viewstore import NothingToShow, make_view_store

    facts, source = artifact.record.facts, artifact.source
    assert facts is not None
    assert source is not None
    if config.viewer.mode in ("none", "original"):
        return None

    def make(folder: Path) -> None:
        view, limit = folder / "view.zarr", config.viewer.max_store_bytes
        try:
            made = {**vars(make_view_store(source, facts, view, max_bytes=limit)), "reason": ""}
            made |= {"digest": _content(view)}
            del made["path"]
        except NothingToShow as e:
            made = {"hints": {}, "left_out": [], "coordinate_system": None, "bytes": 0}
            made |= {"files": 0, "digest": "", "reason": str(e)}
        (folder / "view.json").write_text(json.dumps(made), "utf-8")

    folder = cache.folder("view", _digest(artifact, config), make=make)
    stored = json.loads((folder / "view.json").read_text("utf-8"))
    stored["left_out"] = tuple(stored["left_out"])
    return _Made(path=folder / "view.zarr", **stored)


def _picture(
    artifact: Artifact, made: _Made | None, config: SiteConfig, cache: Cache, site: Path
) -> Picture | None:
    from portal.preview import make_preview

    record, facts, source = artifact.record, artifact.record.facts, artifact.source
    assert facts is not None
    assert source is not None
    usable = made if made and not made.reason else None

    def make(folder: Path) -> None:
        picture = make_preview(
            usable.path if usable else source,
            facts,
            usable.hints if usable else {},
            folder,
            "picture",
            obs_noun=record.obs_noun,
        )
        text = picture.model_dump_json() if picture else "null"
        (folder / "picture.json").write_text(text, "utf-8")

    digest = _digest(artifact, config)
    folder = cache.folder("picture", digest, record.obs_noun, str(bool(usable)), make=make)
    stored = json.loads((folder / "picture.json").read_text("utf-8"))
    if stored is None:
        return None
    picture = Picture.model_validate(stored)
    out = site / "datasets" / record.id
    out.mkdir(parents=True, exist_ok=True)
    files = {}
    for width, name in picture.files.items():
        content = (folder / name).read_bytes()
        hashed = f"picture-{width}-{hashlib.sha256(content).hexdigest()[:8]}.webp"
        (out / hashed).write_bytes(content)
        files[width] = f"datasets/{record.id}/{hashed}"
    return picture.model_copy(update={"files": files})


def _content(folder: Path) -> str:
    """A hash of every file under `folder`, names included."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _digest(artifact: Artifact, config: SiteConfig) -> str:
    """Names what is drawn from a store: the store, the limit, and the code that draws."""
    facts = artifact.record.facts
    assert facts is not None
    key = f"{facts.fingerprint}\n{facts.state}\n{config.viewer.max_store_bytes}\n{_code()}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


@cache_once
def _code() -> str:
    """A hash of the modules that draw, and the versions of what they draw with."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem.startswith(("view", "preview", "colors", "scan", "store", "facts")):
            digest.update(path.read_bytes())
    for package in ("spatialdata", "anndata", "zarr", "scikit-image", "pillow", "numpy"):
        digest.update(f"{package} {version(package)}\n".encode())
    return digest.hexdigest()


def _reachable(copy: str | None, url: str | None, config: SiteConfig) -> str | None:
    """Where a browser may read the original: the site's copy, else its own address, else None.

    A zip is one file, which Vitessce can't look into.
    """
    if copy is not None:
        return None if copy.endswith(".zip") else copy
    if url is None:
        return None
    for old, new in config.viewer.rewrite.items():
        if url.startswith(old):
            url = new + url.removeprefix(old)
            break
    parts = urlsplit(url)
    allowed = f"{parts.scheme}://{parts.netloc}" in config.viewer.origins
    return url if allowed and not parts.path.endswith(".zip") else None


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


def _first_line(e: Exception) -> str:
    return f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}".rstrip(": ")[:300]


def _with(record: Record, products: Products) -> Record:
    return record.model_copy(update={"products": products})
