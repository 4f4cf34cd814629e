"""Painting a thumbnail: a 4:3 window onto the view, filled layer by layer.

The canvas has twice the final resolution, so that circles and outlines come out smooth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from portal.colors import Color
from portal.previewdata import Coloring, Raster, level_for
from portal.viewframe import Box

__all__ = ["DARK", "Canvas", "Window", "choose_window", "tissue_box"]

WIDTH, HEIGHT = 1280, 960
_OVER = 2
_LEAST_SHOWN = 0.55  # of what is of interest, when the picture is filled by cropping
_MOST_CROPPED = 0.7  # the same where nothing lies around it
DARK: Color = (11, 13, 18)
_PLAIN: Color = (86, 180, 233)


@dataclass(frozen=True)
class Window:
    """The part of the view that is painted, in its units; always 4:3."""

    x0: float
    y0: float
    width: float

    @property
    def height(self) -> float:
        """In the view's units."""
        return self.width * HEIGHT / WIDTH

    @property
    def pixel(self) -> float:
        """The side of a pixel of the finished picture, in the view's units."""
        return self.width / WIDTH


def choose_window(interest: Box, limits: Box | None) -> Window:
    """A window that fills the picture with what is of interest.

    It grows around `interest` where `limits` (the image) leave room, is cropped where at least
    three fifths stay in sight, and else shows all with a margin of the ground's colour.
    """
    ratio = WIDTH / HEIGHT
    if limits is not None and interest.shared(limits) > 0.5:
        interest = interest.common(limits)
    w, h = interest.x1 - interest.x0, interest.y1 - interest.y0
    w, h = max(w, h * 0.02, 1e-6), max(h, w * 0.02, 1e-6)
    cx, cy = (interest.x0 + interest.x1) / 2, (interest.y0 + interest.y1) / 2
    contain = max(w, h * ratio) * 1.04
    cover = min(w, h * ratio)
    if limits is None:
        filled = cover * cover / ratio >= _MOST_CROPPED * w * h
        return _centred(cx, cy, cover if filled else contain)
    most = min(limits.x1 - limits.x0, (limits.y1 - limits.y0) * ratio)
    if contain <= most:
        return _inside(_centred(cx, cy, contain), limits)
    if min(w, most) * min(h, most / ratio) >= _LEAST_SHOWN * w * h:
        return _inside(_centred(cx, cy, most), limits)
    return _centred(cx, cy, contain)


def _centred(cx: float, cy: float, width: float) -> Window:
    return Window(cx - width / 2, cy - width * HEIGHT / WIDTH / 2, width)


def _inside(window: Window, limits: Box) -> Window:
    """Shifted so that no edge of the image shows."""
    x0 = min(max(window.x0, limits.x0), max(limits.x0, limits.x1 - window.width))
    y0 = min(max(window.y0, limits.y0), max(limits.y0, limits.y1 - window.height))
    return Window(x0, y0, window.width)


def tissue_box(root: Path, name: str, image: Mapping[str, Any], whole: Box) -> Box:
    """Around what is not background in an image; all of it where that is hard to tell."""
    from skimage.filters import gaussian, threshold_otsu

    raster = level_for(root, f"images/{name}", max(whole.x1 - whole.x0, whole.y1 - whole.y0) / 256)
    plane = _planes(raster, image, (slice(None), slice(None))).astype(np.float32)
    if image["rgb"]:
        grey = plane[:3].max(axis=0) - plane[:3].min(axis=0) + (255 - plane[:3].mean(axis=0)) / 2
    else:
        on = [i for i, c in enumerate(image["channels"]) if c["on"]] or [0]
        grey = np.max([_windowed(plane[i], image["channels"][i]["window"]) for i in on], axis=0)
    smooth = gaussian(grey, 2)
    if float(np.ptp(smooth)) < 1e-6:
        return whole
    mask = smooth > threshold_otsu(smooth)
    ys, xs = np.nonzero(mask)
    if mask.mean() > (0.6 if image["rgb"] else 0.3) or len(xs) < 50:
        return whole
    x0, x1 = np.percentile(xs, [1, 99])
    y0, y1 = np.percentile(ys, [1, 99])
    (px, py), (ox, oy) = raster.pixel, raster.origin
    return Box(ox + x0 * px, oy + y0 * py, ox + (x1 + 1) * px, oy + (y1 + 1) * py)


def _planes(raster: Raster, image: Mapping[str, Any], crop: tuple[slice, slice]) -> np.ndarray:
    """(c, y, x) of a part of an image; the middle plane of a stack."""
    array = raster.array
    if array.ndim == 4:
        return np.asarray(array[:, image.get("default_z") or 0, crop[0], crop[1]])
    return np.asarray(array[:, crop[0], crop[1]])


def _windowed(plane: np.ndarray, window: Sequence[float]) -> np.ndarray:
    low, high = window
    return np.clip((plane.astype(np.float32) - low) / max(high - low, 1), 0, 1)


class Canvas:
    """An RGB picture in the making, at twice its final size."""

    def __init__(self, window: Window, ground: Color):
        self.window = window
        self.size = (WIDTH * _OVER, HEIGHT * _OVER)
        self.picture = Image.new("RGB", self.size, ground)
        self.dark = sum(ground) < 300
        self.scale = self.size[0] / window.width

    def at(self, xy: np.ndarray) -> np.ndarray:
        """Pixels of the canvas for places in the view, (n, 2)."""
        return (xy - (self.window.x0, self.window.y0)) * self.scale

    def finished(self, width: int) -> Image.Image:
        """The picture at its final size."""
        return self.picture.resize((width, width * HEIGHT // WIDTH), Image.Resampling.LANCZOS)

    def image(self, root: Path, name: str, image: Mapping[str, Any]) -> None:
        """Lay an image under all: colours as they are, stains added up within their contrast."""
        raster = level_for(root, f"images/{name}", self.window.pixel)
        crop, box = self._crop(raster)
        planes = _planes(raster, image, crop)
        if planes.size == 0:
            return
        if image["rgb"]:
            rgb = np.moveaxis(planes[:3], 0, -1).astype(np.uint8)
        else:
            total = np.zeros((*planes.shape[1:], 3), np.float32)
            for channel in image["channels"]:
                if channel["on"]:
                    light = _windowed(planes[channel["index"]], channel["window"]) ** 0.85
                    total += light[..., None] * np.array(channel["color"], np.float32)
            rgb = np.clip(total, 0, 255).astype(np.uint8)
        self._paste(Image.fromarray(rgb), box, Image.Resampling.BICUBIC, None)

    def labels(
        self,
        root: Path,
        name: str,
        labels: Mapping[str, Any],
        colors: Coloring | None,
        alpha: float,
    ) -> None:
        """Fill labels by their table's colours, or each in one of a few, with darker edges."""
        raster = level_for(root, f"labels/{name}", self.window.pixel / _OVER)
        crop, box = self._crop(raster)
        array = raster.array
        plane = array[labels.get("default_z") or 0] if array.ndim == 3 else array[:]
        part = np.asarray(plane)[crop]
        if part.size == 0:
            return
        ids, place = np.unique(part, return_inverse=True)
        lut = np.zeros((len(ids), 4), np.uint8)
        for i, label in enumerate(ids.tolist()):
            if label:
                lut[i] = (*_color_of(str(label), colors), round(255 * alpha))
        rgba = lut[place.reshape(part.shape)]
        edge = np.zeros(part.shape, bool)
        edge[:, 1:] |= part[:, 1:] != part[:, :-1]
        edge[1:, :] |= part[1:, :] != part[:-1, :]
        if len(ids) < part.size / 60:
            rgba[edge & (part > 0), :3] = rgba[edge & (part > 0), :3] // 2
        layer = Image.fromarray(rgba, "RGBA")
        self._paste(layer, box, Image.Resampling.NEAREST, "alpha")

    def circles(
        self,
        xy: np.ndarray,
        radius: np.ndarray,
        ids: Sequence[str],
        colors: Coloring | None,
        alpha: float,
    ) -> None:
        """Discs at their true size, but never too small to be seen."""
        layer = Image.new("RGBA", self.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(layer)
        places = self.at(xy)
        radii = np.maximum(radius * self.scale, 2.4)
        for (x, y), r, name in zip(places.tolist(), radii.tolist(), ids, strict=True):
            if -r < x < self.size[0] + r and -r < y < self.size[1] + r:
                draw.ellipse((x - r, y - r, x + r, y + r), fill=_fill(name, colors, alpha))
        self.picture.paste(layer, (0, 0), layer)

    def polygons(
        self, geometry: np.ndarray, ids: Sequence[str], colors: Coloring | None, alpha: float
    ) -> None:
        """Filled outlines where a table colours them, bare outlines else."""
        import shapely

        layer = Image.new("RGBA", self.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(layer)
        line = (255, 255, 255, 200) if self.dark else (40, 40, 40, 220)
        for polygon, name in zip(geometry, ids, strict=True):
            if shapely.get_type_id(polygon) != 3:
                continue
            ring = self.at(shapely.get_coordinates(polygon.exterior))
            outside = (ring.max(axis=0) < 0).any() or (ring.min(axis=0) > self.size).any()
            if outside or len(ring) < 3:
                continue
            corners = [tuple(c) for c in ring.tolist()]
            if colors is None and alpha < 1:
                draw.line([*corners, corners[0]], fill=line, width=2 * _OVER)
                continue
            draw.polygon(corners, fill=_fill(name, colors, alpha))
        self.picture.paste(layer, (0, 0), layer)

    def density(self, xy: np.ndarray) -> None:
        """Points as light: the more of them, the brighter."""
        from skimage.filters import gaussian

        places = self.at(xy) / _OVER
        counts, _, _ = np.histogram2d(
            places[:, 1], places[:, 0], bins=(HEIGHT, WIDTH), range=((0, HEIGHT), (0, WIDTH))
        )
        mean_gap = np.sqrt(WIDTH * HEIGHT / max(1, len(xy)))
        smooth = gaussian(counts, min(max(mean_gap * 0.8, 0.8), 9))
        if smooth.max() <= 0:
            return
        unit = np.clip(smooth / np.percentile(smooth[smooth > 0], 99.5), 0, 1) ** 0.6
        stops = np.array([DARK, *_RAMP], float)
        place = np.linspace(0, 1, len(stops))
        rgb = np.stack([np.interp(unit, place, stops[:, i]) for i in range(3)], axis=-1)
        layer = Image.fromarray(rgb.astype(np.uint8)).resize(self.size, Image.Resampling.BICUBIC)
        if self.dark:
            self.picture.paste(layer, (0, 0), None)

    def dots(self, xy: np.ndarray, color: Color) -> None:
        """A few points, each as a dot."""
        radius = np.full(len(xy), 3.2 * _OVER / self.scale)
        self.circles(xy, radius, [""] * len(xy), Coloring({"": color}, {}, ""), 0.95)

    def _crop(self, raster: Raster) -> tuple[tuple[slice, slice], tuple[int, int, int, int]]:
        """The pixels of a raster that the window needs, and where on the canvas they go."""
        (px, py), (ox, oy) = raster.pixel, raster.origin
        height, width = raster.array.shape[-2:]
        w = self.window
        x0, x1 = _span((w.x0 - ox) / px, (w.x0 + w.width - ox) / px, width)
        y0, y1 = _span((w.y0 - oy) / py, (w.y0 + w.height - oy) / py, height)
        corners = self.at(np.array([[ox + x0 * px, oy + y0 * py], [ox + x1 * px, oy + y1 * py]]))
        left, top, right, bottom = (round(v) for v in corners.ravel().tolist())
        return (slice(y0, y1), slice(x0, x1)), (left, top, right, bottom)

    def _paste(
        self, layer: Image.Image, box: tuple[int, int, int, int], how: Any, alpha: str | None
    ) -> None:
        left, top, right, bottom = box
        if right <= left or bottom <= top:
            return
        scaled = layer.resize((right - left, bottom - top), how)
        self.picture.paste(scaled, (left, top), scaled if alpha else None)


_RAMP: tuple[Color, ...] = (
    (64, 24, 92),
    (140, 41, 110),
    (208, 66, 98),
    (247, 124, 92),
    (254, 196, 137),
    (253, 246, 214),
)


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    return max(0, int(np.floor(low))), min(size, int(np.ceil(high)))


def _color_of(name: str, colors: Coloring | None) -> Color:
    if colors is None:
        return _PLAIN
    return colors.by_id.get(name, (150, 150, 150))


def _fill(name: str, colors: Coloring | None, alpha: float) -> tuple[int, int, int, int]:
    strength = 1.0
    if colors is not None and colors.strength:
        strength = 0.25 + 0.75 * colors.strength.get(name, 0.0)
    return (*_color_of(name, colors), round(255 * alpha * strength))
