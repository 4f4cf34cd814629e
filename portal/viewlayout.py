"""Where the views of a config lie: twelve columns and twelve rows, made for about 1200 × 760."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Room", "Tile", "rooms", "stage_pixels"]

_WIDTH, _HEIGHT = 1200, 760
_FRAME = (25, 50)  # what a view's title, margins and status line take


@dataclass(frozen=True)
class Room:
    """What there is to show."""

    spatial: bool
    sets: bool
    genes: bool
    embedding: bool
    heatmap: bool


@dataclass(frozen=True)
class Tile:
    """A view and its place, in columns and rows."""

    view: str
    x: int
    y: int
    w: int
    h: int


def rooms(room: Room) -> list[Tile]:
    """The tiles of a layout, none on another, none left empty."""
    if not room.spatial:
        return _without_space(room)
    lists = [name for name, there in (("obsSets", room.sets), ("featureList", room.genes)) if there]
    if not lists and not room.embedding:
        return [Tile("spatialBeta", 0, 0, 9, 12), Tile("layerControllerBeta", 9, 0, 3, 12)]
    if not room.embedding and not room.heatmap and len(lists) == 1:
        return [
            Tile("spatialBeta", 0, 0, 9, 12),
            Tile("layerControllerBeta", 9, 0, 3, 6),
            Tile(lists[0], 9, 6, 3, 6),
        ]
    map_height = 8 if room.heatmap else 12
    tiles = [Tile("spatialBeta", 0, 0, 7, map_height)]
    if room.heatmap:
        tiles.append(Tile("heatmap", 0, 8, 7, 4))
    side = _side_by_side(lists, 7, 0, 5, 4 if room.embedding else 6)
    if len(lists) == 1 and room.embedding:
        return [
            *tiles,
            Tile("scatterplot", 7, 0, 5, 5),
            Tile(lists[0], 7, 5, 2, 7),
            Tile("layerControllerBeta", 9, 5, 3, 7),
        ]
    if len(lists) == 1:
        return [*tiles, Tile(lists[0], 7, 0, 2, 12), Tile("layerControllerBeta", 9, 0, 3, 12)]
    if room.embedding:
        side.append(Tile("scatterplot", 7, 4 if lists else 0, 5, 4 if lists else 6))
        top = 8 if lists else 6
        return [*tiles, *side, Tile("layerControllerBeta", 7, top, 5, 12 - top)]
    return [*tiles, *side, Tile("layerControllerBeta", 7, 6, 5, 6)]


def stage_pixels(w: int, h: int) -> tuple[int, int]:
    """Width and height of the picture in a tile of `w` columns and `h` rows."""
    return _WIDTH * w // 12 - _FRAME[0], _HEIGHT * h // 12 - _FRAME[1]


def _without_space(room: Room) -> list[Tile]:
    """A table alone: its embedding or its heat map is the picture."""
    lists = [name for name, there in (("obsSets", room.sets), ("featureList", room.genes)) if there]
    if room.embedding and room.heatmap:
        pictures = [Tile("scatterplot", 0, 0, 8, 8), Tile("heatmap", 0, 8, 8, 4)]
    elif room.embedding:
        pictures = [Tile("scatterplot", 0, 0, 8, 12)]
    elif room.heatmap:
        pictures = [Tile("heatmap", 0, 0, 8, 12)]
    else:
        pictures = [Tile("obsSetSizes", 0, 0, 8, 12)] if room.sets else []
    if room.sets and room.genes:
        lists = ["obsSets", "featureList"]
        return [
            *pictures,
            Tile("obsSets", 8, 0, 2, 7),
            Tile("featureList", 10, 0, 2, 7),
            Tile("obsSetSizes", 8, 7, 4, 5),
        ]
    return [*pictures, *(Tile(name, 8, 0, 4, 12) for name in lists)]


def _side_by_side(views: list[str], x: int, y: int, w: int, h: int) -> list[Tile]:
    """Sets get three columns of five and genes two; a lone list gets all."""
    if len(views) == 2:
        return [Tile(views[0], x, y, 3, h), Tile(views[1], x + 3, y, w - 3, h)]
    return [Tile(view, x, y, w, h) for view in views]
