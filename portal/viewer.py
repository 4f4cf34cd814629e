"""The Vitessce config of an artifact: what the store holds decides the layout and the first look.

`compose` works on the facts of a view store, together with the hints that making it gave, or on
the facts of an original alone. `original_faults` says whether an original can be shown as it is.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

from portal.errors import Problem, did_you_mean
from portal.facts import ElementFacts, StoreFacts
from portal.viewfaults import hints_of, original_faults
from portal.viewframe import Box, camera
from portal.viewlayers import (
    FOLLOWED,
    UID,
    Draft,
    add_files,
    has_heatmap,
    images_first,
    linked,
    set_colors,
)
from portal.viewlayout import Room, Tile, rooms, stage_pixels

__all__ = ["SCHEMA", "check_config", "compose", "files_of", "hints_of", "original_faults"]

SCHEMA = "1.0.18"
_VIEWS = frozenset(
    [
        "description",
        "featureList",
        "featureValueHistogram",
        "gating",
        "genomicProfiles",
        "heatmap",
        "layerController",
        "layerControllerBeta",
        "link",
        "obsSetFeatureValueDistribution",
        "obsSetSizes",
        "obsSets",
        "scatterplot",
        "spatial",
        "spatialBeta",
        "status",
        "dotPlot",
        "treemap",
        "neuroglancer",
        "comparativeHeading",
        "featureBarPlot",
        "obsSetCompositionBarPlot",
        "featureSetEnrichmentBarPlot",
        "volcanoPlot",
        "sampleSetPairManager",
        "biomarkerSelect",
    ]
)


def compose(
    facts: StoreFacts,
    url: str,
    *,
    hints: Mapping[str, Any] | None = None,
    title: str,
    description: str = "",
    obs_noun: str = "observations",
) -> dict[str, Any] | str:
    """A Vitessce config for the store at `url`, which may be relative to where the config lies.

    A text instead of a config is the reason why there is none.

    `hints` are those of the view store; without them they are worked out from `facts`, and the
    viewer chooses contrast itself. Elements that `facts` doesn't have are not mentioned, whatever
    the hints say.
    """
    hints = _only_known(hints or hints_of(facts), facts)
    spatial = any(hints[kind] for kind in ("images", "labels", "shapes", "points"))
    main = hints.get("main_table")
    if not spatial and main is None:
        return "The store holds nothing that a view could draw."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about extras that only notebooks need
        from vitessce import VitessceConfig
    vc = VitessceConfig(schema_version=SCHEMA, name=title, description=description)
    dataset = vc.add_dataset(name=title, uid=UID)
    draft = Draft(
        vc, dataset, url, hints.get("coordinate_system") or "global", hints, _singular(obs_noun)
    )
    _add_table_scopes(draft, main)
    tiles = rooms(_room(draft, main, spatial))
    stage = next((t for t in tiles if t.view == "spatialBeta"), None)
    aimed = _aimed(draft.hints, stage) if stage else None
    if aimed:
        draft.pixel = 2 ** -aimed["zoom"]
    add_files(draft, main)
    _add_views(draft, main, tiles, aimed)
    return vc.to_dict()


def _only_known(hints: Mapping[str, Any], facts: StoreFacts) -> dict[str, Any]:
    """Hints about what `facts` has: those of a view store also serve for its original."""
    elements = {f"{e.kind}/{e.name}": e for e in facts.elements}
    kept = dict(hints)
    for kind in ("images", "labels", "shapes", "points", "tables"):
        kept[kind] = {n: h for n, h in hints.get(kind, {}).items() if f"{kind}/{n}" in elements}
    for name, table in kept["tables"].items():
        element = elements[f"tables/{name}"]
        ids = set(element.feature_ids)
        if "heatmap" not in {c.name for c in element.var}:
            table = {**table, "heatmap": []}
        if ids and table.get("first_gene") not in ids:
            table = {**table, "first_gene": element.feature_ids[0]}
        kept["tables"][name] = table
    for name, points in kept["points"].items():
        if f"tables/{points.get('features_table')}" not in elements:
            kept["points"][name] = {**points, "features_table": None}
    if kept.get("main_table") not in kept["tables"]:
        kept["main_table"] = None
    return kept


def _singular(noun: str) -> str:
    irregular = {"nuclei": "nucleus", "vertices": "vertex"}
    return irregular.get(noun, noun[:-1] if noun.endswith("s") and len(noun) > 2 else noun)


def _feature_type(table: Mapping[str, Any]) -> str:
    return "gene" if table["n_vars"] >= 20 else "feature"


def _add_table_scopes(draft: Draft, main: str | None) -> None:
    """What all views of the leading table share: colours, the gene or sets that are picked."""
    table = draft.hints["tables"].get(main)
    if table is None:
        _add_point_scopes(draft)
        return
    draft.scope("obsType", UID, draft.noun)
    draft.scope("featureType", UID, _feature_type(table))
    on_color = any(image.get("rgb") for image in draft.hints["images"].values())
    draft.scope("featureValueColormap", UID, "viridis" if on_color else "plasma")
    draft.scope("featureValueColormapRange", UID, [0, 1])
    draft.scope("obsHighlight", UID, None)
    first = table["sets"][0] if table["sets"] else None
    gene = table.get("first_gene") if not first else None
    encoding = "cellSetSelection" if first else "geneSelection" if gene else "spatialLayerColor"
    draft.scope("obsColorEncoding", UID, encoding)
    draft.scope("featureSelection", UID, [gene] if gene else None)
    if first:
        paths = [[first["name"], value] for value in first["values"]]
        draft.scope("obsSetSelection", UID, paths)
        draft.scope("obsSetColor", UID, set_colors(table["sets"]))
        draft.scope("additionalObsSets", UID, None)


def _add_point_scopes(draft: Draft) -> None:
    """Without a table the points' own features can be picked."""
    name = _points_with_features(draft)
    if name:
        draft.scope("obsType", UID, name)
        draft.scope("featureType", UID, "gene")
        features = draft.hints["points"][name].get("features")
        draft.scope("featureSelection", UID, features or None)
        draft.scope("obsColorEncoding", UID, "geneSelection" if features else "randomByFeature")


def _points_with_features(draft: Draft) -> str | None:
    """The largest points that have a list of features."""
    points = {n: p for n, p in draft.hints["points"].items() if p.get("features_table")}
    return max(points, key=lambda n: (points[n]["rows"], n), default=None)


_LAYER_KINDS = {
    "image": "imageLayer",
    "obsSegmentations": "segmentationLayer",
    "obsSpots": "spotLayer",
    "obsPoints": "pointLayer",
}


def _room(draft: Draft, main: str | None, spatial: bool) -> Room:
    table = draft.hints["tables"].get(main)
    return Room(
        spatial=spatial,
        sets=bool(table and table["sets"]),
        genes=bool(table and table["genes"])
        or (main is None and "featureSelection" in draft.scopes),
        embedding=bool(table and table["embeddings"]),
        heatmap=bool(table and has_heatmap(table)),
    )


def _add_views(
    draft: Draft, main: str | None, tiles: list[Tile], aimed: Mapping[str, Any] | None
) -> None:
    """Lay the views out and link them; point the camera."""
    table = draft.hints["tables"].get(main)
    views = {tile.view: _view(draft, tile, table) for tile in tiles}
    if "spatialBeta" not in views:
        return
    shown = [views["spatialBeta"], views["layerControllerBeta"]]
    _link_layers(draft, shown)
    values = {}
    if aimed:
        x, y = aimed["target"]
        values = {"spatialTargetX": round(x, 4), "spatialTargetY": round(y, 4)}
        values["spatialZoom"] = round(aimed["zoom"], 3)
    depth = next((i["default_z"] for _, i in images_first(draft.hints) if i.get("z")), None)
    if depth is not None:
        values["spatialTargetZ"] = depth
    for kind, value in values.items():
        scope = draft.scope(kind, UID, value)
        for view in shown:
            view.use_coordination(scope)


def _aimed(hints: Mapping[str, Any], stage: Tile) -> dict[str, Any] | None:
    """The camera that makes what is drawn fill the map at the usual size of a page."""
    focus = hints.get("focus") or hints.get("bounds")
    if not focus:
        return None
    aimed = camera(Box(*focus), *stage_pixels(stage.w, stage.h))
    return {**aimed, "zoom": _thrifty(aimed["zoom"], hints)}


def _thrifty(zoom: float, hints: Mapping[str, Any]) -> float:
    """Step back a little where that spares the next finer level: four times the bytes."""
    pixels = [image["pixel"] for image in hints["images"].values() if image.get("pixel")]
    if not pixels:
        return zoom
    level = zoom + math.log2(min(pixels))
    beyond = level - math.floor(level)
    return zoom - beyond if level < 0 and beyond < 0.3 else zoom


def _view(draft: Draft, tile: Tile, table: Mapping[str, Any] | None) -> Any:
    view = draft.vc.add_view(
        tile.view, dataset=draft.dataset, x=tile.x, y=tile.y, w=tile.w, h=tile.h
    )
    view.use_coordination(*linked(draft, *FOLLOWED).values())
    if tile.view == "heatmap":
        view.set_props(transpose=True)
    if tile.view == "featureList" and isinstance(draft.scopes["featureSelection"].c_value, list):
        # Several are chosen at first: without this a click on one of them would do nothing.
        view.set_props(enableMultiSelect=len(draft.scopes["featureSelection"].c_value) > 1)
    if tile.view == "layerControllerBeta":
        view.set_props(globalDisable3d=True)  # the viewer's bundle has no volume renderer
    if tile.view == "scatterplot" and table:
        first = table["embeddings"][0]
        view.use_coordination(draft.scope("embeddingType", UID, first["label"]))
        if first.get("bounds"):
            aimed = camera(Box(*first["bounds"]), *stage_pixels(tile.w, tile.h))
            x, y = aimed["target"]
            values = {"X": round(x, 4), "Y": round(-y, 4)}  # the plot's y axis points up
            for axis, value in values.items():
                view.use_coordination(draft.scope(f"embeddingTarget{axis}", UID, value))
            view.use_coordination(draft.scope("embeddingZoom", UID, aimed["zoom"] - 0.2))
    return view


def _link_layers(draft: Draft, views: list[Any]) -> None:
    """Give the layers to the map and to its controller, under the names that the viewer expects."""
    from vitessce import CoordinationLevel, get_initial_coordination_scope_prefix

    for data_type, layer_kind in _LAYER_KINDS.items():
        layers = [layer for kind, layer in draft.layers if kind == data_type]
        if layers:
            prefix = get_initial_coordination_scope_prefix(UID, data_type)
            draft.vc.link_views_by_dict(
                views, {layer_kind: CoordinationLevel(layers)}, scope_prefix=prefix
            )


_PATH = re.compile(r"(?:images|labels|points|shapes|tables)/[^/]+(?:/.*)?", re.DOTALL)
_IN_TABLE = frozenset(["X", "layers", "obs", "obsm", "obsp", "raw", "uns", "var", "varm", "varp"])
_INDEX = frozenset(["_index", "index"])


def check_config(
    config: Any, facts: StoreFacts, where: str = "views", *, store: str = ""
) -> list[Problem]:
    """What is wrong with a curator's own config: its version, views, and paths into the store.

    A path is looked up as far as `facts` knows: elements, levels of images, columns, matrices.
    `store` is the address that the store has in the config; where it is given, files that lie
    inside the store (`<store>/tables/table`) are checked as well.
    """
    problems: list[Problem] = []

    def add(code: str, what: str, remedy: str = "") -> None:
        problems.append(Problem(code=code, severity="error", where=where, what=what, remedy=remedy))

    if not isinstance(config, Mapping):
        add("view-empty", "The config is no mapping.")
        return problems
    version = config.get("version")
    known = re.fullmatch(r"1\.0\.([0-9]{1,4})", version) if isinstance(version, str) else None
    if not known or int(known[1]) > int(SCHEMA.rpartition(".")[2]):
        remedy = f"The newest that the viewer knows is {SCHEMA}."
        add("view-version", f"Unknown config version {_short(version)}.", remedy)
    for view in _list(config.get("layout")):
        name = view.get("component") if isinstance(view, Mapping) else None
        if not isinstance(name, str) or name not in _VIEWS:
            remedy = did_you_mean(name[:100], _VIEWS) if isinstance(name, str) else ""
            add("view-unknown", f"Unknown view {_short(name)}.", remedy)
    files = files_of(config)
    if not files:
        add("view-empty", "The config reads no file.")
    elements = {f"{e.kind}/{e.name}": e for e in facts.elements}
    missing = {_missing(p, elements): None for f in files for p in _paths(f, store)}
    for path, remedy in sorted(m for m in missing if m):
        add("view-path", f"The store has no `{_printable(path[:200])}`.", remedy)
    return problems


def files_of(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The files that a config reads, of all its data sets; what is none is passed over."""
    return [
        f
        for dataset in _list(config.get("datasets"))
        if isinstance(dataset, Mapping)
        for f in _list(dataset.get("files"))
        if isinstance(f, Mapping)
    ]


def _missing(path: str, elements: Mapping[str, ElementFacts]) -> tuple[str, str] | None:
    """Up to where a path leads nowhere, and what may be meant; None for one that is right."""
    kind, name, *rest = path.rstrip("/").split("/")
    element = elements.get(f"{kind}/{name}")
    if element is None:
        return f"{kind}/{name}", did_you_mean(f"{kind}/{name}"[:100], elements)
    if not rest:
        return None
    part, below = rest[0], "/".join(rest[1:])
    if element.levels:
        known = {level.path for level in element.levels}
        return None if part in known else (path, did_you_mean(part[:100], known))
    if kind != "tables":
        return None
    if part not in _IN_TABLE or (part == "X" and element.x is None):
        return f"{kind}/{name}/{part}", did_you_mean(part[:100], _IN_TABLE)
    known = _keys(element, part)
    if known is None or not below or below in known or rest[1] in known:
        return None
    return path, did_you_mean(below[:100], known - _INDEX)


def _keys(element: ElementFacts, part: str) -> set[str] | None:
    """The columns or matrices in one part of a table; None where no scan looks into it."""
    columns = {"obs": element.obs, "var": element.var}.get(part)
    if columns is not None:
        return {c.name for c in columns} | _INDEX | {element.index_name or "_index"}
    matrices = {"obsm": element.obsm, "layers": element.layers}.get(part)
    return None if matrices is None else {m.name for m in matrices}


def _short(value: Any) -> str:
    """A value as Python writes it, but not a page of it; nesting may have no end."""
    if isinstance(value, (Mapping, list)):
        return "that is a list or a mapping"
    text = repr(value) if isinstance(value, (str, float, bool, type(None))) else str(value)[:100]
    return text if len(text) <= 100 else f"{text[:100]}…"


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _paths(file: Mapping[str, Any], store: str) -> set[str]:
    """Every path into the store that a file of a config names."""
    url = file.get("url")
    inside = isinstance(url, str) and store and url.startswith(f"{store}/")
    base = str(url).removeprefix(f"{store}/").rstrip("/") if inside else ""
    found, waiting = {base} if _PATH.fullmatch(base) else set(), [file.get("options")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _PATH.fullmatch(value):
                found.add(value)
            elif base and value.partition("/")[0] in _IN_TABLE:
                found.add(f"{base}/{value}")  # of a file that reads a table alone
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found
