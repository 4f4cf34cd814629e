"""What the build makes for artifacts: the published copy, the interactive view, the picture.

One verb: `make_products`. What takes long is done by `portal.making`, for many stores at a time,
and fills the cache; `portal.placing` puts it on the site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from portal.cache import Cache
from portal.config import SiteConfig
from portal.lineage import now
from portal.making import Fault, Work, code_that_draws, kept_copy, kept_picture, kept_view, make
from portal.placing import Artifact, Budget, Faults, is_offered, place
from portal.published import is_published
from portal.record import Products, Record, View, at_hand, store_of
from portal.working import Crew, Lost

__all__ = ["make_products"]

Progress = Callable[[str, int, int], None]

_FEW = 3
"""So many stores are worked on here: others would not be there sooner."""
_LARGE = 100_000_000
"""Bytes of a store that is not worked on here, however few there are: it may want much memory."""
OFFLINE = Fault("This build asks no server", "offline")
_UNANSWERED = ("remote-unreachable", "remote-slow", "remote-busy")
"""What says of a server that it need not be asked for other stores."""


def make_products(
    artifacts: list[Artifact],
    config: SiteConfig,
    cache: Cache,
    site: Path,
    crew: Crew,
    *,
    offline: bool = False,
    say: Progress = lambda what, done, total: None,
) -> list[Record]:
    """Make everything for all artifacts under `site`; the records that name it all.

    What `crew` has to do is what the cache does not have. With `offline` no server is asked for
    a store. A failure in one product is a problem of this artifact, never of the build.
    """
    budget = Budget(artifacts, config)
    code = code_that_draws() if find_spec("spatialdata") is not None else ""
    works, records = {}, []
    for artifact in artifacts:
        if not _why_not(artifact):
            works[artifact.record.id] = _work(artifact, config, cache, budget, code)
    faults = _fill(list(works.values()), config, crew, offline, say)
    for artifact in artifacts:
        record = artifact.record
        if work := works.get(record.id):
            told = faults.get(record.id, {})
            records.append(place(artifact, work, told, config, site, budget))
        else:
            products = Products(view=View(reason=_why_not(artifact)))
            records.append(record.model_copy(update={"products": products}))
    return records


def _why_not(artifact: Artifact) -> str:
    """Why there is nothing to work on, empty where there is."""
    record = artifact.record
    if not is_offered(record):
        return _why_not_offered(record)
    store = at_hand(record, "store", store_of)
    if store is None:
        if artifact.entry.source or artifact.entry.url:
            return "The store lies elsewhere and has not been scanned yet, so nothing can be drawn."
        return "The entry names no store."
    if store["kind"] != "spatialdata":
        return _NOT_DRAWABLE[store["kind"]]
    if artifact.source is None and not artifact.entry.is_remote:
        return "The store lies elsewhere, so nothing is drawn from it."
    return ""


def _work(artifact: Artifact, config: SiteConfig, cache: Cache, budget: Budget, code: str) -> Work:
    """What is asked of an artifact's store; without `code` that draws, no more than a copy."""
    record, source = artifact.record, artifact.source
    store = at_hand(record, "store", store_of) or {}
    facts = record.facts if source else None
    return Work(
        id=record.id,
        source=source.absolute() if source else artifact.entry.source or "",
        state=f"{facts.fingerprint} {facts.state}" if facts else store["fingerprint"],
        bytes=store["bytes"] or 0,
        facts=facts or config.manifest_dir.absolute(),
        cache=cache.root.absolute(),
        copies=record.id in budget.copies,
        views=bool(code) and config.viewer.mode not in ("none", "original"),
        pictures=bool(code),
        obs_noun=record.obs_noun,
        max_store_bytes=config.viewer.max_store_bytes,
        remote=config.remote,
        code=code,
        asked=now(),
    )


def _fill(
    works: list[Work], config: SiteConfig, crew: Crew, offline: bool, say: Progress
) -> dict[str, Faults]:
    """Have made what the cache has not; what could not be, by id of the artifact and product.

    A server that has not answered once is not asked for another store.
    """
    faults: dict[str, Faults] = {}
    due = [work for work in works if next(_lacking(work), None)]
    down: dict[str, Fault] = {}
    if offline:
        down = {work.host: OFFLINE for work in due if work.host}
    elif any(work.host for work in due) and is_published(config.base_url, config.remote):
        due = [replace(w, published=config.base_url) if w.host else w for w in due]

    def asked() -> Iterator[Work]:
        for work in due:
            barred = down.get(work.host)
            if barred and not work.published:
                faults[work.id] = dict.fromkeys(_lacking(work), barred)
            else:
                yield replace(work, barred=barred)

    done = len(works) - len(due)
    say("Making views and pictures", done, len(works))
    here = len(due) <= _FEW and all(w.bytes <= _LARGE for w in due)
    for work, answer in crew.each(make, asked(), here=here):
        if isinstance(answer, Lost):
            answer = dict.fromkeys(_lacking(work), Fault(answer.why.rstrip(".")))
        faults[work.id] = answer
        for fault in answer.values():
            if work.host and fault.code in _UNANSWERED:
                down[work.host] = fault
        done += 1
        say("Making views and pictures", done, len(works))
    say("Making views and pictures", len(works), len(works))
    return faults


def _lacking(work: Work) -> Iterator[str]:
    """What of that which is wanted the cache lacks."""
    if work.copies and kept_copy(work) is None:
        yield "copy"
    if work.views and kept_view(work) is None:
        yield "view"
    if work.pictures and kept_picture(work) is None:
        yield "picture"


def _why_not_offered(record: Record) -> str:
    if record.status == "withdrawn":
        return "The artifact was withdrawn."
    return "The artifact is announced and not published yet."


_NOT_DRAWABLE = {
    "anndata": "The store is an AnnData object, not SpatialData.",
    "mudata": "The store is a MuData object, not SpatialData.",
    "ome-zarr": "The store is a plain OME-Zarr image, not SpatialData.",
    "zarr": "The store is zarr, but not SpatialData.",
    "unreadable": "The store can't be read.",
}
