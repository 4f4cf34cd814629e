"""Thumbnails: a picture of the data themselves, never distorted, in three widths.

An image comes first, with the spots or cells that lie on it; without one, labels, cells or
points are the picture, on a dark ground.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from portal.config import Remote
from portal.errors import PortalError, is_machine_fault
from portal.facts import StoreFacts
from portal.previewdata import Coloring, coloring, read_points, read_shapes
from portal.previewpaint import DARK, Canvas, choose_window, tissue_box
from portal.record import Picture
from portal.store import StoreError
from portal.viewframe import Box
from portal.viewlayers import images_first

__all__ = ["make_preview"]

WIDTHS = (320, 640, 1280)
_QUALITY = {320: 78, 640: 78, 1280: 80}
_COPY_BYTES = 12_000_000
_FEW_POINTS = 3000


def make_preview(
    source: Path | str,
    facts: StoreFacts,
    hints: Mapping[str, Any],
    out_dir: Path,
    stem: str,
    *,
    obs_noun: str = "observations",
    remote: Remote | None = None,
) -> Picture | None:
    """Write `<stem>-320.webp`, `-640` and `-1280` into `out_dir`; None where nothing can be shown.

    `source` is a view store with its `hints`, or, with empty hints, any store, also one at an
    address: then a small copy of it is made first and thrown away. Names in the Picture are
    relative to `out_dir`. Raises StoreError where an address can't be read.
    """
    if hints:
        assert isinstance(source, Path)
        return _render(source, hints, out_dir, stem, obs_noun)
    from portal.viewstore import make_view_store

    with tempfile.TemporaryDirectory(prefix="portal-") as folder:
        out = Path(folder) / "view.zarr"
        try:
            copy = make_view_store(source, facts, out, max_bytes=_COPY_BYTES, remote=remote)
        except PortalError as error:
            if is_machine_fault(error) or isinstance(error, StoreError):
                raise
            return None
        return _render(copy.path, copy.hints, out_dir, stem, obs_noun)


def _render(
    root: Path, hints: Mapping[str, Any], out_dir: Path, stem: str, obs_noun: str
) -> Picture | None:
    if not hints.get("bounds"):
        return None
    canvas, words = _paint(root, hints, obs_noun)
    if canvas is None:
        return None
    files, size = {}, 0
    for width in WIDTHS:
        path = out_dir / f"{stem}-{width}.webp"
        canvas.finished(width).save(path, "WEBP", quality=_QUALITY[width], method=6)
        files[width] = path.name
        size += path.stat().st_size
    alt = f"{words[0].upper()}{words[1:]}."
    return Picture(
        files=files,
        width=WIDTHS[-1],
        height=WIDTHS[-1] * 3 // 4,
        alt=alt,
        caption=f"{alt[:-1]}, drawn from the data.",
        bytes=size,
    )


def _paint(root: Path, hints: Mapping[str, Any], obs_noun: str) -> tuple[Canvas | None, str]:
    """The picture and what it shows, in words."""
    whole = Box(*hints["bounds"])
    name, image = next(iter(images_first(hints)), (None, None))
    main = hints.get("main_table")
    table = hints["tables"].get(main) if main else None
    colors = None
    if main and table and table["attached"]:
        colors = coloring(root, main, table, on_color=bool(image and image["rgb"]))
    interest = _interest(root, hints, whole, name, image)
    window = choose_window(interest, whole if image else None)
    ground = _ground(root, name, image)
    canvas = Canvas(window, ground)
    words = []
    if image and name:
        canvas.image(root, name, image)
        words.append(_image_words(image))
    drawn = _paint_observations(canvas, root, hints, main, colors, bool(image))
    if drawn:
        words.append(_observation_words(drawn, obs_noun, table, colors))
    elif not image:
        points = _largest_points(hints)
        if points:
            words.append(_paint_points(canvas, root, points, hints["points"][points]))
    return (canvas, " with ".join(words)) if words else (None, "")


def _interest(
    root: Path,
    hints: Mapping[str, Any],
    whole: Box,
    name: str | None,
    image: Mapping[str, Any] | None,
) -> Box:
    """Where to look: the annotated shapes, else the tissue in the image, else everything."""
    if hints.get("focus"):
        return Box(*hints["focus"])
    if image and name:
        return tissue_box(root, name, image, whole)
    return whole


def _ground(root: Path, name: str | None, image: Mapping[str, Any] | None) -> Any:
    """The colour around a picture that does not fill the frame: that of its own border."""
    if not image or not image["rgb"] or not name:
        return DARK
    from portal.previewdata import level_for

    coarse = np.asarray(level_for(root, f"images/{name}", float("inf")).array)
    if coarse.ndim == 4:
        coarse = coarse[:, 0]
    border = np.concatenate([coarse[:3, 0], coarse[:3, -1], coarse[:3, :, 0], coarse[:3, :, -1]], 1)
    return tuple(int(v) for v in np.median(border, axis=1))


def _paint_observations(
    canvas: Canvas,
    root: Path,
    hints: Mapping[str, Any],
    main: str | None,
    colors: Coloring | None,
    over_image: bool,
) -> tuple[str, int] | None:
    """Paint what the leading table describes, or, without an image, any labels or shapes.

    Gives the kind of thing and how many, None where nothing was painted.
    """
    for shape, told in _leading(hints["shapes"], main, over_image):
        geometry, ids, radius = read_shapes(root, shape)
        own = colors if told["table"] == main else None
        if radius is not None:
            import shapely

            alpha = 0.85 if over_image else 0.95
            canvas.circles(shapely.get_coordinates(geometry), radius, ids, own, alpha)
        else:
            canvas.polygons(geometry, ids, own, 0.7 if over_image else 1.0)
        return shape, told["rows"]
    for label, told in _leading(hints["labels"], main, over_image):
        own = colors if told["table"] == main else None
        canvas.labels(root, label, told, own, 0.5 if over_image else 0.95)
        count = hints["tables"][main]["n_obs"] if main and told["table"] == main else 0
        return label, count
    return None


def _leading(
    elements: Mapping[str, Any], main: str | None, over_image: bool
) -> list[tuple[str, Any]]:
    """What the main table describes; without an image, anything will do."""
    described = [(n, e) for n, e in elements.items() if main and e["table"] == main]
    if described or over_image:
        return described
    return list(elements.items())[:1]


def _largest_points(hints: Mapping[str, Any]) -> str | None:
    points = hints["points"]
    return max(points, key=lambda n: (points[n]["rows"], n), default=None)


def _paint_points(canvas: Canvas, root: Path, name: str, told: Mapping[str, Any]) -> str:
    xy = read_points(root, name)
    if len(xy) > _FEW_POINTS:
        canvas.density(xy)
        return f"density of {told['total']:,} points"
    canvas.dots(xy, (254, 196, 137))
    return f"{told['total']:,} points"


def _image_words(image: Mapping[str, Any]) -> str:
    stack = f", plane {image['default_z'] + 1} of {image['z']}" if image.get("z") else ""
    if image["rgb"]:
        return f"colour image{stack}"
    names = [c["name"] for c in image["channels"] if c["on"]]
    more = len(image["channels"]) - len(names)
    if len(image["channels"]) == 1:
        return f"one-channel image{stack}"
    listed = ", ".join(names) + (f" and {more} more not shown" if more else "")
    return f"image of {len(image['channels'])} channels ({listed}){stack}"


def _observation_words(
    drawn: tuple[str, int], obs_noun: str, table: Mapping[str, Any] | None, colors: Coloring | None
) -> str:
    name, count = drawn
    if colors is None or table is None:
        return f"{count:,} shapes of {name}" if count else f"the labels {name}"
    return f"{count:,} {obs_noun} {colors.words}"
