"""Artifacts → tiles of their images, to train on. Two verbs: `tiles` and `tiles_of_many`.

A tile is a square of an image around one region: a cell, a spot, a bin. spatialdata's
`ImageTilesDataset` cuts them; what it must be told is found from the Record: which regions a table
annotates, which image and coordinate system they share. Needs the extra `ml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from portal.derivation import Thing
from portal.errors import PortalError, UsageError, did_you_mean
from portal.facts import ElementFacts
from portal.lineage import loaded_packages, things_of
from portal.record import Record

__all__ = ["Provenance", "TilePlan", "plan_tiles", "tiles", "tiles_of", "tiles_of_many"]

_CALLED = "global"
"""The coordinate system that spatialdata makes unless told otherwise."""


@dataclass(frozen=True)
class Provenance:
    """What tiles were cut from, and how: an input of `portal.lineage.track`."""

    inputs: tuple[Thing, ...]
    parameters: dict[str, Any]
    packages: dict[str, str] = field(default_factory=loaded_packages)


@dataclass(frozen=True)
class TilePlan:
    """The elements that tiles are cut from."""

    images: dict[str, str]
    """By region."""
    coordinate_systems: dict[str, str]
    """By region."""
    table: str | None

    @property
    def elements(self) -> list[str]:
        """Names of all elements that are needed, each once."""
        found = [*self.images, *self.images.values(), *([self.table] if self.table else [])]
        return list(dict.fromkeys(found))


def plan_tiles(
    record: Record,
    *,
    regions: str | Sequence[str] | None = None,
    image: str | Mapping[str, str] | None = None,
    coordinate_system: str | None = None,
    table: str | Literal[False] | None = None,
) -> TilePlan:
    """Choose regions, image, coordinate system and table, those that are given and the rest.

    Raises UsageError where the record has none, or several among which only you can choose.
    """
    facts = record.facts
    if facts is None:
        raise UsageError(f"{record.id} was never scanned: its elements are not known.")
    if facts.kind != "spatialdata":
        raise UsageError(f"{record.id} is no SpatialData store but {facts.kind}: no tiles.")
    wanted = [regions] if isinstance(regions, str) else list(regions or ())
    chosen_table = _table(record, wanted, table)
    outlines = {e.name: e for e in (*facts.of("labels"), *facts.of("shapes")) if e.readable}
    if not wanted:
        annotated = [r for r in chosen_table.regions if r in outlines] if chosen_table else []
        wanted = annotated or [_only("regions", list(outlines), record)]
    images = {e.name: e for e in facts.of("images") if e.readable}
    chosen: dict[str, tuple[str, str]] = {}
    for name in wanted:
        region = _named("regions", name, outlines, record)
        given = image.get(name) if isinstance(image, Mapping) else image
        chosen[name] = _pair(record, region, images, given, coordinate_system)
    return TilePlan(
        images={name: pair[0] for name, pair in chosen.items()},
        coordinate_systems={name: pair[1] for name, pair in chosen.items()},
        table=chosen_table.name if chosen_table else None,
    )


def tiles(
    sdata: Any,
    record: Record,
    *,
    regions: str | Sequence[str] | None = None,
    image: str | Mapping[str, str] | None = None,
    coordinate_system: str | None = None,
    table: str | Literal[False] | None = None,
    tile_dim: float | None = None,
    tile_scale: float = 1.0,
    source: Any = None,
    **rest: Any,
) -> Any:
    """spatialdata's `ImageTilesDataset` of an object in memory, with a `.provenance`.

    A tile is `tile_dim` units of the coordinate system wide, or else `tile_scale` times as wide as
    its region. `rest` goes to ImageTilesDataset: `return_annotations`, `transform`; tiles of one
    size in pixels, also at the image's edge, need `rasterize=True` and
    `rasterize_kwargs={"target_width": 32}`. `table=False` leaves the table out. Several regions
    give a torch `ConcatDataset`, one part a region. `source` is the artifact, if the provenance
    shall name its address.

    Raises UsageError where the choice is not clear, PortalError where the extra `ml` is missing
    or spatialdata can't cut these tiles.
    """
    plan = plan_tiles(
        record, regions=regions, image=image, coordinate_system=coordinate_system, table=table
    )
    sized = {"tile_scale": tile_scale} if tile_dim is None else {"tile_dim_in_units": tile_dim}
    parts = [_of_region(sdata, record, plan, region, sized | rest) for region in plan.images]
    dataset = parts[0] if len(parts) == 1 else _joined(parts)
    chosen = {
        "regions": list(plan.images),
        "images": list(plan.images.values()),
        "coordinate_systems": list(plan.coordinate_systems.values()),
        "table": plan.table or "none",
    }
    dataset.provenance = Provenance(things_of(source or record), chosen | sized | rest)
    return dataset


def tiles_of(artifact: Any, **options: Any) -> Any:
    """`tiles` of an artifact, of which only the elements that they need are loaded."""
    plan = plan_tiles(artifact.record, **_choices(options))
    _dataset_class()  # or nothing needs to be fetched
    sdata = artifact.load(elements=plan.elements)
    return tiles(sdata, artifact.record, source=artifact, **options)


def tiles_of_many(artifacts: Iterable[Any], **options: Any) -> Any:
    """The tiles of several artifacts as one torch `ConcatDataset`, with a `.provenance` of all.

    The same `options` hold for each. Raises what `tiles` raises; nothing is loaded where the
    choice is not clear for one of them.
    """
    artifacts = list(artifacts)
    if not artifacts:
        raise UsageError("There is no artifact to cut tiles of.")
    for artifact in artifacts:
        plan_tiles(artifact.record, **_choices(options))
    parts = [tiles_of(artifact, **options) for artifact in artifacts]
    dataset = _joined(parts)
    dataset.provenance = Provenance(
        inputs=tuple(thing for part in parts for thing in part.provenance.inputs),
        parameters={
            artifact.record.id: part.provenance.parameters
            for artifact, part in zip(artifacts, parts, strict=True)
        },
    )
    return dataset


def _choices(options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options of `tiles` is for `plan_tiles`."""
    names = ("regions", "image", "coordinate_system", "table")
    return {name: options[name] for name in names if name in options}


def _dataset_class() -> Any:
    """ImageTilesDataset. Raises PortalError where spatialdata or torch is missing."""
    try:
        import torch  # type: ignore # noqa: F401 # before spatialdata, which takes seconds
        from spatialdata.dataloader.datasets import ImageTilesDataset
    except ImportError as e:
        raise PortalError(
            f"Tiles need the extra `ml` ({e}): pip install 'spatialdata-portal[ml]'."
        ) from None
    return ImageTilesDataset


def _joined(parts: Sequence[Any]) -> Any:
    from torch.utils.data import ConcatDataset  # type: ignore # not in the environment of checks

    return ConcatDataset(parts)


def _of_region(
    sdata: Any, record: Record, plan: TilePlan, region: str, options: Mapping[str, Any]
) -> Any:
    """The tiles of one region.

    spatialdata 0.7.3 refuses a table that annotates further regions, so each gets its own rows.
    """
    make = _dataset_class()
    from spatialdata import SpatialData

    image = plan.images[region]
    elements = {region: sdata[region], image: sdata[image]}
    if plan.table:
        elements[plan.table] = _rows_of(sdata.tables[plan.table], region)
    try:
        return make(
            SpatialData.init_from_elements(elements),
            regions_to_images={region: image},
            regions_to_coordinate_systems={region: plan.coordinate_systems[region]},
            table_name=plan.table,
            **options,
        )
    except (AssertionError, RuntimeError, ValueError) as e:
        raise PortalError(
            f"spatialdata cuts no tiles of {region!r} in {image!r} of {record.id}: {_why(e)}"
        ) from e


def _rows_of(table: Any, region: str) -> Any:
    """The rows of a table that annotate one region, as a table of that region alone."""
    from spatialdata.models import TableModel, get_table_keys

    _, region_key, instance_key = get_table_keys(table)
    rows = table[table.obs[region_key] == region].copy()
    rows.obs[region_key] = rows.obs[region_key].cat.remove_unused_categories()
    del rows.uns[TableModel.ATTRS_KEY]
    return TableModel.parse(rows, region=region, region_key=region_key, instance_key=instance_key)


def _why(e: Exception) -> str:
    """What spatialdata said, in other words where its own are of no help."""
    said = str(e)
    if "broadcast" in said:
        return "its labels leave no background, which spatialdata takes for granted."
    if "not annotated by the table" in said:
        return "the table has no row for some regions. `table=False` leaves the table out."
    return f"{said.splitlines()[0][:300]}" if said else type(e).__name__


def _table(
    record: Record, regions: Sequence[str], table: str | Literal[False] | None
) -> ElementFacts | None:
    """The table asked for; else the default one, or the one that annotates the regions."""
    assert record.facts is not None
    tables = {t.name: t for t in record.facts.of("tables") if t.readable}
    if table is False:
        return None
    if table is not None:
        return _named("tables", table, tables, record)
    fitting = [t for t in tables.values() if t.regions and set(regions) <= set(t.regions)]
    default = [t for t in fitting if t.name == record.default_table]
    if len(fitting) > 1 and not default:
        _only("table", [t.name for t in fitting], record)
    return next(iter(default or fitting), None)


def _pair(
    record: Record,
    region: ElementFacts,
    images: Mapping[str, ElementFacts],
    image: str | None,
    coordinate_system: str | None,
) -> tuple[str, str]:
    """An image and a coordinate system that it shares with the region."""
    candidates = [_named("images", image, images, record)] if image else list(images.values())
    shared = {
        e.name: [s for s in region.coordinate_systems if s in e.coordinate_systems]
        for e in candidates
    }
    if coordinate_system:
        shared = {n: [s for s in found if s == coordinate_system] for n, found in shared.items()}
    shared = {name: systems for name, systems in shared.items() if systems}
    where = f"the coordinate system {coordinate_system!r}" if coordinate_system else "one"
    if not shared:
        systems = sorted({s for e in candidates for s in e.coordinate_systems})
        raise UsageError(
            f"No image of {record.id} shares {where} with {region.name!r}"
            f" ({', '.join(region.coordinate_systems) or 'none'}); the images have"
            f" {', '.join(systems) or 'none'}."
        )
    name = _only("image", list(shared), record)
    systems = shared[name]
    system = _CALLED if _CALLED in systems else _only("coordinate_system", systems, record)
    return name, system


def _only(option: str, names: Sequence[str], record: Record) -> str:
    """The one name there is. Raises UsageError for none, and for several with all of them."""
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(f"{record.id} has no labels and no shapes to cut tiles at.")
    listed = ", ".join(repr(name) for name in names)
    raise UsageError(f"{record.id} leaves a choice: give {option}=, one of {listed}.")


def _named(what: str, name: str, known: Mapping[str, ElementFacts], record: Record) -> ElementFacts:
    if name not in known:
        raise UsageError(
            f"{name!r} is none of the {what} of {record.id}. {did_you_mean(name, known)}".rstrip()
        )
    return known[name]
