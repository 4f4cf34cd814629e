"""The Vitessce config of an artifact: what the store holds decides the layout and the first look.

`compose` works on the facts of a view store, together with the hints that making it gave, or on
the facts of an original alone. `original_faults` says whether an original can be shown as it is.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.colors import CHANNELS, category_colors
from portal.errors import Problem, did_you_mean
from portal.facts import StoreFacts
from portal.viewfaults import hints_of, original_faults
from portal.viewframe import Box, camera
from portal.viewlayout import Room, Tile, rooms, stage_pixels

__all__ = ["SCHEMA", "check_config", "compose", "hints_of", "original_faults"]

SCHEMA = "1.0.18"
_UID = "A"
_CHANNELS_SHOWN = 6  # what the image shader mixes at once
_MAX_HEATMAP_OBS = 60_000
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


@dataclass
class _Draft:
    """A config in the making: the package's objects and the scopes that views share."""

    vc: Any
    dataset: Any
    url: str
    system: str
    hints: Mapping[str, Any]
    noun: str
    scopes: dict[str, Any] = field(default_factory=dict)
    layers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def scope(self, kind: str, name: str, value: Any) -> Any:
        """A named coordination scope; names are fixed, so that configs are reproducible."""
        scope = self.vc.set_coordination_value(kind, name, value)
        self.scopes.setdefault(kind, scope)
        return scope

    def file(self, options: dict[str, Any], **coordination: str) -> None:
        """One more reading of the store."""
        self.dataset.add_file(
            "spatialdata.zarr",
            url=self.url,
            options={**options, "coordinateSystem": self.system},
            coordination_values=coordination or None,
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
    dataset = vc.add_dataset(name=title, uid=_UID)
    draft = _Draft(
        vc, dataset, url, hints.get("coordinate_system") or "global", hints, _singular(obs_noun)
    )
    _add_table_scopes(draft, main)
    _add_files(draft, main)
    _add_views(draft, main, spatial)
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


def _add_table_scopes(draft: _Draft, main: str | None) -> None:
    """What all views of the leading table share: colours, the gene or sets that are picked."""
    table = draft.hints["tables"].get(main)
    if table is None:
        _add_point_scopes(draft)
        return
    draft.scope("obsType", _UID, draft.noun)
    draft.scope("featureType", _UID, _feature_type(table))
    on_color = any(image.get("rgb") for image in draft.hints["images"].values())
    draft.scope("featureValueColormap", _UID, "viridis" if on_color else "plasma")
    draft.scope("featureValueColormapRange", _UID, [0, 1])
    draft.scope("obsHighlight", _UID, None)
    first = table["sets"][0] if table["sets"] else None
    gene = table.get("first_gene") if not first else None
    encoding = "cellSetSelection" if first else "geneSelection" if gene else "spatialLayerColor"
    draft.scope("obsColorEncoding", _UID, encoding)
    draft.scope("featureSelection", _UID, [gene] if gene else None)
    if first:
        paths = [[first["name"], value] for value in first["values"]]
        draft.scope("obsSetSelection", _UID, paths)
        draft.scope("obsSetColor", _UID, _set_colors(table["sets"]))
        draft.scope("additionalObsSets", _UID, None)


def _set_colors(sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    colors = []
    for group in sets:
        palette = category_colors(len(group["values"]))
        colors.append({"path": [group["name"]], "color": [128, 128, 128]})
        colors += [
            {"path": [group["name"], value], "color": list(color)}
            for value, color in zip(group["values"], palette, strict=True)
        ]
    return colors


def _add_point_scopes(draft: _Draft) -> None:
    """Without a table the points' own features can be picked."""
    name = _points_with_features(draft)
    if name:
        draft.scope("obsType", _UID, name)
        draft.scope("featureType", _UID, "gene")
        draft.scope("featureSelection", _UID, None)
        draft.scope("obsColorEncoding", _UID, "randomByFeature")


def _points_with_features(draft: _Draft) -> str | None:
    """The largest points that have a list of features."""
    points = {n: p for n, p in draft.hints["points"].items() if p.get("features_table")}
    return max(points, key=lambda n: (points[n]["rows"], n), default=None)


def _add_files(draft: _Draft, main: str | None) -> None:
    """One entry for each element that is drawn: the viewer tells them apart by fileUid."""
    hints = draft.hints
    for i, (name, image) in enumerate(_images_first(hints)):
        uid = f"image-{i}"
        draft.file({"image": {"path": f"images/{name}"}}, fileUid=uid)
        draft.layers.append(("image", _image_layer(draft, name, image, uid, visible=i == 0)))
    segmented = False
    for name, labels in hints["labels"].items():
        leads = labels["table"] is not None and labels["table"] == main
        visible = leads or (not segmented and not _has_leading_segments(hints, main))
        segmented |= visible
        options = {"obsSegmentations": {"path": f"labels/{name}"}}
        _add_segments(
            draft, name, options, labels["table"] if leads else None, visible, filled=leads
        )
    for name, shape in hints["shapes"].items():
        leads = shape["table"] is not None and shape["table"] == main
        if shape["geometry"] == "circle":
            _add_spots(draft, name, shape, leads)
        else:
            options = {"obsSegmentations": {"path": f"shapes/{name}"}}
            if leads:
                options["obsSegmentations"]["tablePath"] = f"tables/{main}"
            _add_segments(draft, name, options, main if leads else None, True, filled=leads)
    for i, (name, points) in enumerate(hints["points"].items()):
        _add_points(draft, name, points, i, main)
    if main is not None and not hints["tables"][main]["attached"]:
        draft.file(_table_options(draft, main), obsType=draft.noun, featureType=_main_type(draft))


def _has_leading_segments(hints: Mapping[str, Any], main: str | None) -> bool:
    return main is not None and any(
        h["table"] == main for kind in ("labels", "shapes") for h in hints[kind].values()
    )


def _main_type(draft: _Draft) -> str:
    return str(draft.scopes["featureType"].c_value)


def _images_first(hints: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The image to look at first: a pyramid before its single-level twin, then by name."""
    images = list(hints["images"].items())
    return sorted(images, key=lambda item: (-item[1].get("pixels", 0), "multiscale" not in item[0]))


def _image_layer(
    draft: _Draft, name: str, image: Mapping[str, Any], uid: str, *, visible: bool
) -> dict[str, Any]:
    from vitessce import CoordinationLevel

    layer: dict[str, Any] = {
        "fileUid": uid,
        "spatialLayerVisible": visible,
        "spatialLayerOpacity": 1,
        "photometricInterpretation": "RGB" if image.get("rgb") else "BlackIsZero",
    }
    if image.get("rgb"):
        return layer
    channels = image.get("channels") or []
    shown = [c for c in channels if c["on"]][:_CHANNELS_SHOWN]
    layer["imageChannel"] = CoordinationLevel(
        [
            {
                "spatialTargetC": c["index"],
                "spatialChannelColor": list(c["color"]),
                "spatialChannelVisible": True,
                "spatialChannelOpacity": 1.0,
                "spatialChannelWindow": c.get("window"),
            }
            for c in shown
        ]
    )
    return layer


def _linked(draft: _Draft, *kinds: str) -> dict[str, Any]:
    """The shared scopes of these kinds, so that a layer follows the lists beside it."""
    return {kind: draft.scopes[kind] for kind in kinds if kind in draft.scopes}


_FOLLOWED = (
    "obsType",
    "featureType",
    "obsColorEncoding",
    "featureSelection",
    "featureValueColormap",
    "featureValueColormapRange",
    "obsSetSelection",
    "obsSetColor",
    "additionalObsSets",
    "obsHighlight",
)


def _table_options(draft: _Draft, table: str) -> dict[str, Any]:
    """What is read of a table: values, sets, embeddings."""
    hints, path = draft.hints["tables"][table], f"tables/{table}"
    options: dict[str, Any] = {}
    if hints["genes"]:
        options["obsFeatureMatrix"] = {"path": f"{path}/X"}
        if _heatmap(hints):
            options["obsFeatureMatrix"]["initialFeatureFilterPath"] = f"{path}/var/heatmap"
    if hints["sets"]:
        options["obsSets"] = {
            "tablePath": path,
            "obsSets": [
                {"name": s["name"], "path": f"{path}/obs/{s['name']}"} for s in hints["sets"]
            ],
        }
    if hints["embeddings"]:
        options["obsEmbedding"] = [
            {"path": f"{path}/obsm/{e['key']}", "dims": [0, 1], "embeddingType": e["label"]}
            for e in hints["embeddings"]
        ]
    return options


def _add_segments(
    draft: _Draft,
    name: str,
    options: dict[str, Any],
    table: str | None,
    visible: bool,
    *,
    filled: bool,
) -> None:
    """Labels or polygons: coloured by the table that describes them, else outlines."""
    from vitessce import CoordinationLevel

    uid = f"segments-{name}"
    obs_type = draft.noun if table else name
    coordination = {"fileUid": uid, "obsType": obs_type}
    if table:
        options = {**options, **_table_options(draft, table)}
        coordination["featureType"] = _main_type(draft)
    draft.file(options, **coordination)
    over_image = bool(draft.hints["images"])
    color = CHANNELS[len(draft.layers) % len(CHANNELS)]
    channel: dict[str, Any] = {
        "spatialTargetC": 0,
        "spatialChannelVisible": visible,
        "spatialChannelOpacity": (0.6 if over_image else 0.9) if filled else 0.9,
        "spatialChannelColor": list(color),
        "spatialSegmentationFilled": filled,
        "spatialSegmentationStrokeWidth": 2,
        "obsType": obs_type,
        "obsColorEncoding": "spatialChannelColor",
    }
    if table:
        channel |= _linked(draft, *_FOLLOWED)
        if draft.scopes["obsColorEncoding"].c_value == "spatialLayerColor":
            channel["obsColorEncoding"] = "spatialChannelColor"
    layer = {
        "fileUid": uid,
        "spatialLayerVisible": visible,
        "spatialLayerOpacity": 1,
        "segmentationChannel": CoordinationLevel([channel]),
    }
    draft.layers.append(("obsSegmentations", layer))


def _add_spots(draft: _Draft, name: str, shape: Mapping[str, Any], leads: bool) -> None:
    obs_type = draft.noun if leads else name
    options: dict[str, Any] = {"obsSpots": {"path": f"shapes/{name}"}}
    coordination = {"obsType": obs_type}
    layer: dict[str, Any] = {
        "obsType": obs_type,
        "spatialLayerVisible": True,
        "spatialLayerOpacity": 0.8,
        "spatialSpotRadius": shape.get("radius"),
        "spatialSpotFilled": leads or not draft.hints["images"],
        "spatialSpotStrokeWidth": 1,
    }
    if layer["spatialSpotRadius"] is None:
        del layer["spatialSpotRadius"]
    if leads:
        table = shape["table"]
        options["obsSpots"]["tablePath"] = f"tables/{table}"
        options |= _table_options(draft, table)
        coordination["featureType"] = _main_type(draft)
        layer |= _linked(draft, *_FOLLOWED)
    else:
        layer["obsColorEncoding"] = "spatialLayerColor"
        layer["spatialLayerColor"] = list(CHANNELS[len(draft.layers) % len(CHANNELS)])
    draft.file(options, **coordination)
    draft.layers.append(("obsSpots", layer))


def _add_points(
    draft: _Draft, name: str, points: Mapping[str, Any], place: int, main: str | None
) -> None:
    options: dict[str, Any] = {"obsPoints": {"path": f"points/{name}"}}
    coordination = {"fileUid": f"points-{name}", "obsType": name}
    layer: dict[str, Any] = {
        "fileUid": f"points-{name}",
        "obsType": name,
        "spatialLayerVisible": True,
        "spatialLayerOpacity": 0.9 if points["rows"] < 50_000 else 0.6,
        "spatialLayerColor": list(CHANNELS[(1 + place) % len(CHANNELS)]),
        "obsColorEncoding": "spatialLayerColor",
    }
    if points.get("features_table"):
        options["obsFeatureMatrix"] = {"path": f"tables/{points['features_table']}/X"}
        coordination["featureType"] = layer["featureType"] = "gene"
        layer["obsColorEncoding"] = "randomByFeature"
        layer["featureFilterMode"] = "featureSelection"
        follows = main is None or points.get("follows_genes")
        layer["featureSelection"] = draft.scopes.get("featureSelection") if follows else None
    draft.file(options, **coordination)
    draft.layers.append(("obsPoints", layer))


_LAYER_KINDS = {
    "image": "imageLayer",
    "obsSegmentations": "segmentationLayer",
    "obsSpots": "spotLayer",
    "obsPoints": "pointLayer",
}


def _add_views(draft: _Draft, main: str | None, spatial: bool) -> None:
    """Lay the views out and link them."""
    table = draft.hints["tables"].get(main)
    room = Room(
        spatial=spatial,
        sets=bool(table and table["sets"]),
        genes=bool(table and table["genes"])
        or (main is None and "featureSelection" in draft.scopes),
        embedding=bool(table and table["embeddings"]),
        heatmap=bool(table and _heatmap(table)),
    )
    views = {tile.view: _view(draft, tile, table) for tile in rooms(room)}
    if not spatial:
        return
    _link_layers(draft, [views["spatialBeta"], views["layerControllerBeta"]])
    _aim(draft, views["spatialBeta"], views["layerControllerBeta"])


def _aim(draft: _Draft, stage: Any, controller: Any) -> None:
    """Point the camera so that what is drawn fills the map at the usual size of a page."""
    focus = draft.hints.get("focus") or draft.hints.get("bounds")
    if not focus:
        return
    place = stage.to_dict()
    aimed = camera(Box(*focus), *stage_pixels(place["w"], place["h"]))
    values = {
        "spatialTargetX": round(aimed["target"][0], 4),
        "spatialTargetY": round(aimed["target"][1], 4),
        "spatialZoom": round(_thrifty(aimed["zoom"], draft.hints), 3),
    }
    depth = next((i["default_z"] for _, i in _images_first(draft.hints) if i.get("z")), None)
    if depth is not None:
        values["spatialTargetZ"] = depth
    for kind, value in values.items():
        scope = draft.scope(kind, _UID, value)
        stage.use_coordination(scope)
        controller.use_coordination(scope)


def _thrifty(zoom: float, hints: Mapping[str, Any]) -> float:
    """Step back a little where that spares the next finer level: four times the bytes."""
    pixels = [image["pixel"] for image in hints["images"].values() if image.get("pixel")]
    if not pixels:
        return zoom
    level = zoom + math.log2(min(pixels))
    beyond = level - math.floor(level)
    return zoom - beyond if level < 0 and beyond < 0.3 else zoom


def _heatmap(table: Mapping[str, Any]) -> bool:
    """A heat map needs groups to order its columns by; without them it is noise."""
    return bool(table.get("heatmap") and table["sets"]) and table["n_obs"] <= _MAX_HEATMAP_OBS


def _view(draft: _Draft, tile: Tile, table: Mapping[str, Any] | None) -> Any:
    view = draft.vc.add_view(
        tile.view, dataset=draft.dataset, x=tile.x, y=tile.y, w=tile.w, h=tile.h
    )
    view.use_coordination(*_linked(draft, *_FOLLOWED).values())
    if tile.view == "heatmap":
        view.set_props(transpose=True)
    if tile.view == "scatterplot" and table:
        first = table["embeddings"][0]
        view.use_coordination(draft.scope("embeddingType", _UID, first["label"]))
        if first.get("bounds"):
            aimed = camera(Box(*first["bounds"]), *stage_pixels(tile.w, tile.h))
            x, y = aimed["target"]
            values = {"X": round(x, 4), "Y": round(-y, 4)}  # the plot's y axis points up
            for axis, value in values.items():
                view.use_coordination(draft.scope(f"embeddingTarget{axis}", _UID, value))
            view.use_coordination(draft.scope("embeddingZoom", _UID, aimed["zoom"] - 0.2))
    return view


def _link_layers(draft: _Draft, views: list[Any]) -> None:
    """Give the layers to the map and to its controller, under the names that the viewer expects."""
    from vitessce import CoordinationLevel, get_initial_coordination_scope_prefix

    for data_type, layer_kind in _LAYER_KINDS.items():
        layers = [layer for kind, layer in draft.layers if kind == data_type]
        if layers:
            prefix = get_initial_coordination_scope_prefix(_UID, data_type)
            draft.vc.link_views_by_dict(
                views, {layer_kind: CoordinationLevel(layers)}, scope_prefix=prefix
            )


_PATH = re.compile(r"(?:images|labels|points|shapes|tables)/[^/]+")


def check_config(
    config: Mapping[str, Any], facts: StoreFacts, where: str = "views"
) -> list[Problem]:
    """What is wrong with a curator's own config: its version, views, and paths into the store."""
    problems: list[Problem] = []

    def add(code: str, what: str, remedy: str = "") -> None:
        problems.append(Problem(code=code, severity="error", where=where, what=what, remedy=remedy))

    version = config.get("version")
    known = re.fullmatch(r"1\.0\.(\d+)", str(version))
    if not known or int(known[1]) > int(SCHEMA.rpartition(".")[2]):
        add("view-version", f"Unknown config version {version!r}.", f"Use {SCHEMA}.")
    for view in _list(config.get("layout")):
        name = view.get("component") if isinstance(view, Mapping) else None
        if name not in _VIEWS:
            add("view-unknown", f"Unknown view {name!r}.", did_you_mean(str(name), _VIEWS))
    paths = {f"{e.kind}/{e.name}" for e in facts.elements}
    files = [
        f
        for dataset in _list(config.get("datasets"))
        if isinstance(dataset, Mapping)
        for f in _list(dataset.get("files"))
        if isinstance(f, Mapping)
    ]
    if not files:
        add("view-empty", "The config reads no file.")
    for element in sorted({p for f in files for p in _paths(f.get("options"))}):
        if element not in paths:
            add("view-path", f"The store has no `{element}`.", did_you_mean(element, paths))
    return problems


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _paths(options: Any) -> set[str]:
    """Every element that the options of a file point into."""
    if isinstance(options, str):
        match = _PATH.match(options)
        return {match[0]} if match else set()
    if isinstance(options, Mapping):
        options = list(options.values())
    if isinstance(options, list):
        return {path for value in options for path in _paths(value)}
    return set()
