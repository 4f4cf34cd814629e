"""What was made of an artifact's store → the site: `place`.

Under the limits of the site it is chosen what goes there: the published copy, the view of the
original or of its web copy, the picture. What could not be made is a problem of the artifact.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from portal.cache import link_file, link_tree
from portal.config import SiteConfig
from portal.entry import Entry
from portal.errors import BuildError, Problem
from portal.facts import StoreFacts
from portal.making import Fault, ViewMade, Work, as_fault, kept_copy, kept_picture, kept_view
from portal.published import listing
from portal.record import Picture, Products, PublishedCopy, Record, View, at_hand, store_of
from portal.scan_codes import REMEDIES

__all__ = ["Artifact", "Budget", "Faults", "is_offered", "place"]

Faults = dict[str, Fault]
"""Why something could not be made, by `copy`, `view`, `picture`."""
T = TypeVar("T")


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
        local = [a for a in artifacts if a.source and a.record.facts]
        wanted = sorted(
            (_size(a), a.record.id)
            for a in local
            if config.data.publish == "copy" and is_offered(a.record)
        )
        # Views first: every artifact keeps room for one, the largest copies give way.
        views = config.viewer.max_store_bytes if config.viewer.mode != "none" else 0
        reserved = sum(min(views, _size(a)) for a in artifacts if a.source or a.entry.is_remote)
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


def _size(artifact: Artifact) -> int:
    store = at_hand(artifact.record, "store", store_of)
    return store["bytes"] or 0 if store else 0


def place(
    artifact: Artifact, work: Work, faults: Faults, config: SiteConfig, site: Path, budget: Budget
) -> Record:
    """Put what was made of a store on the site; the record that names it."""
    record = artifact.record
    placing = _Placing(artifact, work, faults, config, site, budget, [])
    copy = placing.attempt("copy", placing.copy)
    if not work.pictures:
        reason = "This site was built without the extra `build`, which makes views and pictures."
        view, picture = View(reason=reason), None
    else:
        view = placing.attempt("view", lambda: placing.view(copy))
        view = view or View(reason=placing.problems[-1].what)
        picture = placing.attempt("picture", placing.picture)
    problems = (*record.problems, *placing.problems)
    products = Products(picture=picture, view=view, copy=copy)
    return record.model_copy(update={"problems": problems, "products": products})


@dataclass(frozen=True)
class _Placing:
    """What of one artifact's products goes onto the site; `problems` grow meanwhile."""

    artifact: Artifact
    work: Work
    faults: Faults
    config: SiteConfig
    site: Path
    budget: Budget
    problems: list[Problem]

    def attempt(self, what: str, put: Callable[[], T]) -> T | None:
        """What `put` gives; None and a problem where a foreign store makes it fail."""
        try:
            return put()
        except Exception as e:
            self._tell(what, as_fault(e))
            return None

    def _made(self, what: str, look: Callable[[Work], T | None]) -> T | None:
        """What the cache has; None, and a problem, where it could not be made."""
        if what in self.faults:
            self._tell(what, self.faults[what])
            return None
        kept = look(self.work)
        if kept is None:
            raise BuildError(
                f"What was made of {self.work.id} is not in {self.work.cache}: all who work on "
                "stores must see the same files there."
            )
        return kept

    def _tell(self, what: str, fault: Fault) -> None:
        """Make a problem of a fault. That of a store elsewhere is told once, not by product; that
        a build asks nobody was its user's wish."""
        code, severity = f"{what}-failed", "warning"
        remedy = "Open the store with spatialdata to see which element is at fault."
        if fault.code:
            severity = "warning" if fault.code == "scan-drift" else "info"
            code, remedy = fault.code, REMEDIES.get(fault.code, "Run `portal scan`.")
        problem = Problem(
            code=code, severity=severity, where=self.work.id, what=_said(what, fault), remedy=remedy
        )
        if code != "offline" and problem not in self.problems:
            self.problems.append(problem)

    def copy(self) -> PublishedCopy | None:
        """The published copy, None where none is wanted or there is no room for it."""
        work, budget = self.work, self.budget
        if work.id in budget.too_large:
            self._full(
                f"The original ({budget.too_large[work.id]:,} bytes) is not on this site: "
                f"all data together may have {budget.limit:,} bytes.",
                "Publish it elsewhere and give its `url`, or raise limits.site_bytes.",
            )
        if not work.copies or not budget.take(work.bytes):
            return None
        kept = self._made("copy", kept_copy)
        if kept is None:
            return None
        folder, copy = kept
        link_tree(folder, self.site / "data" / work.id)
        return copy

    def _full(self, what: str, remedy: str) -> None:
        self.problems.append(
            Problem(
                code="site-full", severity="warning", where=self.work.id, what=what, remedy=remedy
            )
        )

    def view(self, copy: PublishedCopy | None) -> View:
        """Choose what the view shows, put it on the site, and write its config."""
        from portal.scan import scan_store
        from portal.viewer import original_faults

        config = self.config
        if config.viewer.mode == "none":
            return View(reason="This portal makes no interactive views.")
        made = self._made("view", kept_view) if self.work.views else None
        original = _reachable(copy.store if copy else None, self.artifact.record.url, config)
        if config.viewer.mode != "copy" and (original is not None or not self.work.views):
            facts = self.work.known()
            faults = original_faults(facts)
            if original is not None and not faults:
                shown = _Shown(original, facts, facts.bytes or 0, facts.files or 0, "original")
                return self._composed(shown, None)
            if not self.work.views:
                why = " ".join(faults) or "It is not where a browser may read it."
                return View(reason=f"The original can't be shown as it is. {why}")
        if made is None:
            return View(reason=_said("view", self.faults["view"]))
        if made.reason:
            return View(reason=made.reason)
        if not self.budget.take(made.bytes):
            self._full(
                f"There is no room for the {made.bytes:,} bytes that the view reads.",
                "Raise limits.site_bytes, or lower viewer.max_store_bytes.",
            )
            return View(reason="There is no room left on this site for what the view would read.")
        folder = self.site / "data" / self.work.id
        link_tree(made.path, folder / f"view-{made.digest}.zarr")
        if made.crate.is_file():
            link_file(made.crate, folder / made.crate.name)
        if self.work.host:
            told = made.model_dump(include={"digest", "hints", "left_out", "coordinate_system"})
            text = listing(made.path, told)
            (folder / f"view-{self.work.name}.json").write_text(text, "utf-8")
        seen = scan_store(made.path, name=self.work.id)
        address = f"data/{self.work.id}/view-{made.digest}.zarr"
        return self._composed(_Shown(address, seen, made.bytes, made.files, "copy"), made)

    def _composed(self, shown: _Shown, made: ViewMade | None) -> View:
        """The view of what is shown, with `made` where that is the view store."""
        from portal.viewer import compose

        record, config = self.artifact.record, self.config
        vitessce = compose(
            shown.facts,
            shown.from_page,
            hints=made.hints if made else None,
            title=record.title,
            obs_noun=record.obs_noun,
        )
        if isinstance(vitessce, str):
            return View(reason=vitessce)
        folder = self.site / "datasets" / record.id
        folder.mkdir(parents=True, exist_ok=True)
        unit = made.hints.get("unit") if made else None
        # For our own page alone: other viewers refuse keys that they don't know.
        ours = {"portal": {"unit": unit}} if unit else {}
        _write_config(folder / "vitessce.json", vitessce | ours)
        if config.base_url:
            absolute = _with_address(vitessce, shown.from_page, shown.absolute(config.base_url))
            _write_config(folder / "vitessce.absolute.json", absolute)
        return View(
            config=f"datasets/{record.id}/vitessce.json",
            shows=shown.what,
            store=shown.address,
            bytes=shown.bytes,
            files=shown.files,
            coordinate_system=made.coordinate_system if made else None,
            left_out=made.left_out if made else (),
            named=_named_views(self.artifact.entry, shown, folder, self.problems),
        )

    def picture(self) -> Picture | None:
        """The thumbnail, under names that are made from its content; None where there is none."""
        kept = self._made("picture", kept_picture)
        folder, picture = kept or (None, None)
        if folder is None or picture is None:
            return None
        out = self.site / "datasets" / self.work.id
        out.mkdir(parents=True, exist_ok=True)
        files = {}
        for width, name in picture.files.items():
            content = (folder / name).read_bytes()
            hashed = f"picture-{width}-{hashlib.sha256(content).hexdigest()[:8]}.webp"
            (out / hashed).write_bytes(content)
            files[width] = f"datasets/{self.work.id}/{hashed}"
        return picture.model_copy(update={"files": files})


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
        where = entry.where("views", name)
        found = check_config(config, shown.facts, where, store=shown.from_page)
        problems += found
        if not any(p.severity == "error" for p in found):
            path = folder / f"vitessce-{name}.json"
            _write_config(path, config)
            named[name] = f"datasets/{entry.id}/{path.name}"
    return named


def _with_address(config: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The config with another address in place of `old`, also before a path inside it."""

    def at(value: Any) -> Any:
        inside = isinstance(value, str) and (value == old or value.startswith(f"{old}/"))
        return new + value.removeprefix(old) if inside else value

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: at(v) if k == "url" else walk(v) for k, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list) else value

    return walk(config)


def _write_config(path: Path, vitessce: dict[str, Any]) -> None:
    path.write_text(json.dumps(vitessce, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


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


def _said(what: str, fault: Fault) -> str:
    """A sentence on what was not made."""
    if fault.code:
        return f"Not rendered yet: {fault.what[:1].lower()}{fault.what[1:].rstrip('.')}."
    return f"The {what} could not be made: {fault.what}."


def is_offered(record: Record) -> bool:
    return record.status in ("public", "superseded")
