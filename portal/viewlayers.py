"""The layers of a view: what each element of a store becomes on the map, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.colors import CATEGORICAL, CHANNELS, category_colors

__all__ = [
    "FOLLOWED",
    "UID",
    "Draft",
    "add_files",
    "has_heatmap",
    "images_first",
    "linked",
    "set_colors",
]

UID = "A"
_CHANNELS_SHOWN = 6  # what the image shader mixes at once
_MAX_HEATMAP_OBS = 60_000
_STROKE = 1.2  # pixels of the screen that an outline takes at the first look


@dataclass
class Draft:
    """A config in the making: the package's objects and the scopes that views share."""

    vc: Any
    dataset: Any
    url: str
    system: str
    hints: Mapping[str, Any]
    noun: str
    pixel: float = 1.0
    """The side of a pixel of the screen at the first look, in units of the coordinate system."""
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


def set_colors(sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    colors = []
    for group in sets:
        palette = category_colors(len(group["values"]))
        colors.append({"path": [group["name"]], "color": [128, 128, 128]})
        colors += [
            {"path": [group["name"], value], "color": list(color)}
            for value, color in zip(group["values"], palette, strict=True)
        ]
    return colors


def feature_colors(features: Sequence[str]) -> list[dict[str, Any]]:
    """A colour for each feature of points."""
    return [
        {"name": name, "color": list(color)}
        for name, color in zip(features, CATEGORICAL, strict=False)
    ]


def has_heatmap(table: Mapping[str, Any]) -> bool:
    """A heat map needs groups to order its columns by; without them it is noise."""
    return bool(table.get("heatmap") and table["sets"]) and table["n_obs"] <= _MAX_HEATMAP_OBS


def add_files(draft: Draft, main: str | None) -> None:
    """One entry for each element that is drawn: the viewer tells them apart by fileUid."""
    hints = draft.hints
    for i, (name, image) in enumerate(images_first(hints)):
        uid = f"image-{i}"
        draft.file({"image": {"path": f"images/{name}"}}, fileUid=uid)
        draft.layers.append(("image", _image_layer(draft, name, image, uid, visible=i == 0)))
    segmented = False
    for name, labels in hints["labels"].items():
        leads = labels["table"] is not None and labels["table"] == main
        visible = leads or (not segmented and not _has_leading_segments(hints, main))
        segmented |= visible
        options = {"obsSegmentations": {"path": f"labels/{name}"}}
        # The outlines of labels are measured in units of their finest pixels, times 37.5.
        stroke = draft.pixel / (labels.get("pixel") or 1) * _STROKE / 37.5
        _add_segments(draft, name, options, labels["table"], visible, stroke, leads=leads)
    for name, shape in hints["shapes"].items():
        leads = shape["table"] is not None and shape["table"] == main
        if shape["geometry"] == "circle":
            _add_spots(draft, name, shape, leads=leads)
        else:
            options = {"obsSegmentations": {"path": f"shapes/{name}"}}
            if shape["table"]:
                options["obsSegmentations"]["tablePath"] = f"tables/{shape['table']}"
            stroke = draft.pixel * _STROKE
            _add_segments(draft, name, options, shape["table"], True, stroke, leads=leads)
    for i, (name, points) in enumerate(hints["points"].items()):
        _add_points(draft, name, points, i, main)
    if main is not None and not hints["tables"][main]["attached"]:
        draft.file(_table_options(draft, main), obsType=draft.noun, featureType=_main_type(draft))


def _has_leading_segments(hints: Mapping[str, Any], main: str | None) -> bool:
    return main is not None and any(
        h["table"] == main for kind in ("labels", "shapes") for h in hints[kind].values()
    )


def _main_type(draft: Draft) -> str:
    return str(draft.scopes["featureType"].c_value)


def images_first(hints: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The image to look at first: a pyramid before its single-level twin, then by name."""
    return sorted(
        hints["images"].items(),
        key=lambda item: (-item[1].get("pixels", 0), "multiscale" not in item[0], item[0]),
    )


def _image_layer(
    draft: Draft, name: str, image: Mapping[str, Any], uid: str, *, visible: bool
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


def linked(draft: Draft, *kinds: str) -> dict[str, Any]:
    """The shared scopes of these kinds, so that a layer follows the lists beside it."""
    return {kind: draft.scopes[kind] for kind in kinds if kind in draft.scopes}


FOLLOWED = (
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


def _table_options(draft: Draft, table: str) -> dict[str, Any]:
    """What is read of a table: values, sets, embeddings."""
    hints, path = draft.hints["tables"][table], f"tables/{table}"
    options: dict[str, Any] = {}
    if hints["genes"]:
        options["obsFeatureMatrix"] = {"path": f"{path}/X"}
        if has_heatmap(hints):
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


def _coloring(draft: Draft, table: str | None, *, leads: bool) -> dict[str, Any]:
    """Scopes by which a layer takes the colours of a table.

    The leading table's layers follow the lists beside the map. Others show their own first set,
    in the same colours as always, and nothing where they have none.
    """
    if leads:
        return linked(draft, *FOLLOWED)
    sets = draft.hints["tables"][table]["sets"] if table in draft.hints["tables"] else []
    if not sets:
        return {}
    return {
        "obsColorEncoding": "cellSetSelection",
        "obsSetSelection": [[sets[0]["name"], value] for value in sets[0]["values"]],
        "obsSetColor": set_colors(sets),
        "additionalObsSets": None,
        "featureSelection": None,
    }


def _reading(draft: Draft, table: str | None, *, leads: bool) -> dict[str, Any]:
    """What a layer's file reads of its table: all of the leading one, the sets of others."""
    if table is None or table not in draft.hints["tables"]:
        return {}
    options = _table_options(draft, table)
    return options if leads else {k: v for k, v in options.items() if k == "obsSets"}


def _add_segments(
    draft: Draft,
    name: str,
    options: dict[str, Any],
    table: str | None,
    visible: bool,
    stroke: float,
    *,
    leads: bool,
) -> None:
    """Labels or polygons: filled by the table that describes them, else outlines."""
    from vitessce import CoordinationLevel

    uid = f"segments-{name}"
    obs_type = draft.noun if leads else name
    coordination = {"fileUid": uid, "obsType": obs_type}
    if leads:
        coordination["featureType"] = _main_type(draft)
    draft.file({**options, **_reading(draft, table, leads=leads)}, **coordination)
    coloring = _coloring(draft, table, leads=leads)
    color = CHANNELS[len(draft.layers) % len(CHANNELS)]
    channel: dict[str, Any] = {
        "spatialTargetC": 0,
        "spatialChannelVisible": visible,
        "spatialChannelOpacity": 0.6 if coloring and draft.hints["images"] else 0.9,
        "spatialChannelColor": list(color),
        "spatialSegmentationFilled": bool(coloring),
        "spatialSegmentationStrokeWidth": round(stroke, 4),
        "obsType": obs_type,
        "obsColorEncoding": "spatialChannelColor",
        **coloring,
    }
    if leads and draft.scopes["obsColorEncoding"].c_value == "spatialLayerColor":
        channel["obsColorEncoding"] = "spatialChannelColor"
    layer = {
        "fileUid": uid,
        "spatialLayerVisible": visible,
        "spatialLayerOpacity": 1,
        "segmentationChannel": CoordinationLevel([channel]),
    }
    draft.layers.append(("obsSegmentations", layer))


def _add_spots(draft: Draft, name: str, shape: Mapping[str, Any], *, leads: bool) -> None:
    table = shape["table"]
    obs_type = draft.noun if leads else name
    options: dict[str, Any] = {"obsSpots": {"path": f"shapes/{name}"}}
    if table:
        options["obsSpots"]["tablePath"] = f"tables/{table}"
    coordination = {"obsType": obs_type}
    if leads:
        coordination["featureType"] = _main_type(draft)
    draft.file({**options, **_reading(draft, table, leads=leads)}, **coordination)
    coloring = _coloring(draft, table, leads=leads)
    layer: dict[str, Any] = {
        "obsType": obs_type,
        "spatialLayerVisible": True,
        "spatialLayerOpacity": 0.8,
        "spatialSpotFilled": bool(coloring) or not draft.hints["images"],
        "spatialSpotStrokeWidth": 1,
        "obsColorEncoding": "spatialLayerColor",
        "spatialLayerColor": list(CHANNELS[len(draft.layers) % len(CHANNELS)]),
        **coloring,
    }
    if shape.get("radius"):
        layer["spatialSpotRadius"] = shape["radius"]
    draft.layers.append(("obsSpots", layer))


def _add_points(
    draft: Draft, name: str, points: Mapping[str, Any], place: int, main: str | None
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
        features = points.get("features") or []
        if features and (main is None or not follows):
            layer["obsColorEncoding"] = "geneSelection"
            layer["featureColor"] = feature_colors(features)
            if not follows:
                layer["featureSelection"] = features
    draft.file(options, **coordination)
    draft.layers.append(("obsPoints", layer))
