"""Images and labels of a view store: pyramids of 512-pixel chunks, from coarse to fine.

Vitessce asks for tiles of one level at a time, so each level is half the next finer one, and
levels are written from the coarsest up until the budget for bytes is used.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from portal.colors import channel_colors
from portal.viewframe import Placed
from portal.viewids import Renumbering
from portal.viewsource import Element, raster_levels
from portal.viewzarr import LeftOut, Written, folder_size, gzip_array, write_group

__all__ = ["is_rgb", "write_image", "write_labels"]

CHUNK = 512
_BLOCK_PIXELS = 48_000_000  # of a source that are read at once, all channels together
READ_VALUES = 20_000_000_000  # of one element that are read, all its levels together
_CHUNK_BYTES = 2_000_000_000  # a chunk is read whole
_SAMPLE = 1024  # pixels along the longer side, for percentiles
_MAX_ON = 4

Pool = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Pyramid:
    """The levels of a raster that can be read, the finest first, as dask arrays.

    `step` is how much larger the pixels of the first of them are than those of the element,
    which is 1 unless the finest levels are too large to be read. What is read of a level is asked
    for by `read`, which has the pixels of a store elsewhere brought first: `numbers` are those
    that the levels have in the element.
    """

    levels: list[Any]
    step: tuple[float, float]
    element: Element
    numbers: list[int]

    def read(self, level: int) -> Any:
        """The dask array of a level whose pixels are needed now."""
        self.element.bring(self.numbers[level])
        return self.levels[level]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.levels[0].dtype)


def write_image(placed: Placed, root: Path, system: str, budget: int) -> Written:
    """Write `images/<name>` as (c, y, x) or (c, z, y, x), uint8 or uint16.

    Floats and wide integers are scaled to 16 bits by channel.
    """
    from spatialdata.models import get_channel_names

    element = placed.element
    pyramid = _pyramid(element)
    sample = _sample(pyramid, _depth(element))
    names = [str(n) for n in get_channel_names(element.data)]
    rgb = is_rgb(element, names, sample)
    if rgb:
        pyramid = replace(pyramid, levels=[a[:3] for a in pyramid.levels])
        sample, names = sample[:3], ["red", "green", "blue"]
    names = _readable_names(names)
    scale, dtype, changed = _scaling(sample, pyramid.dtype)
    folder = root / "images" / element.name
    stacked = pyramid.levels[0].ndim == 4
    chunk = (3 if rgb else 1, *([1] if stacked else []), CHUNK, CHUNK)
    kept, total = _write_levels(folder, pyramid, chunk, dtype, budget, mean_pool, scale)
    channels = _channels(names, scale(sample), rgb)
    omero = {
        "name": element.name,
        "channels": [
            {
                "label": c["name"],
                "color": "{:02X}{:02X}{:02X}".format(*c["color"]),
                "window": {"start": c["window"][0], "end": c["window"][1]},
                "active": c["on"],
            }
            for c in channels
        ],
        "rdefs": {
            "model": "color" if rgb else "greyscale",
            "defaultZ": _middle(element),
            "defaultT": 0,
        },
    }
    axes = "czyx" if stacked else "cyx"
    pixel = _write_multiscale(folder, placed, system, axes, pyramid, kept, {"omero": omero})
    left_out = _levels_left_out(element, kept)
    if changed:
        left_out.append(f"The values of {element.name} are {changed}.")
    hints = {
        "rgb": rgb,
        "channels": channels,
        "pixels": element.pixels,
        "pixel": pixel,
        "z": _depth(element),
        "default_z": _middle(element),
    }
    return Written(hints, tuple(left_out), total)


def write_labels(
    placed: Placed, root: Path, system: str, budget: int, ids: Sequence[str] | None
) -> Written:
    """Write `labels/<name>` as (y, x) or (z, y, x), at most 32 bits, by nearest neighbours.

    `ids` are those of a table's rows; a viewer finds a row's label by its value.
    """
    element = placed.element
    pyramid = _pyramid(element)
    numbers = Renumbering(ids) if ids is not None else None
    if numbers is not None and not len(numbers.rows):
        numbers = None
    top = numbers.top if numbers else _largest(pyramid)
    if top >= 2**32:
        raise LeftOut(f"{element.name} has labels of more than 32 bits and is left out.")
    dtype = np.dtype(np.uint32 if top > 65535 else np.uint16)

    def narrow(block: np.ndarray) -> np.ndarray:
        return (numbers(block) if numbers else np.maximum(block, 0)).astype(dtype)

    folder = root / "labels" / element.name
    stacked = pyramid.levels[0].ndim == 3
    chunk = (*([1] if stacked else []), CHUNK, CHUNK)
    kept, total = _write_levels(folder, pyramid, chunk, dtype, budget, nearest_pool, narrow)
    if numbers and not numbers.matches:
        shutil.rmtree(folder)
        return replace(write_labels(placed, root, system, budget, None), rows=_NO_ROWS)
    axes = "zyx" if stacked else "yx"
    more = {"image-label": {"version": "0.5"}}
    pixel = _write_multiscale(folder, placed, system, axes, pyramid, kept, more)
    left_out = _levels_left_out(element, kept)
    if numbers and not numbers.keeps:
        left_out.append(f"The labels of {element.name} are numbered anew for the view.")
    hints = {"pixel": pixel, "z": _depth(element), "default_z": _middle(element)}
    if ids is None:
        return Written(hints, tuple(left_out), total)
    rows, shown = (numbers.rows, numbers.ids) if numbers else (_NO_ROWS, ())
    return Written(hints, tuple(left_out), total, rows=rows, ids=shown)


_NO_ROWS = np.zeros(0, np.int64)


def _largest(pyramid: Pyramid) -> int:
    """The largest label, or for types of at most 32 bits the largest there can be."""
    info = np.iinfo(pyramid.dtype) if pyramid.dtype != np.bool_ else np.iinfo(np.uint8)
    return int(info.max) if info.bits <= 32 else int(pyramid.read(0).max().compute())


def is_rgb(element: Element, names: Sequence[str], sample: np.ndarray) -> bool:
    """Whether three (or four) uint8 channels are a colour picture and not three stains.

    Names decide where they say something; else bright or closely correlated channels do.
    """
    if sample.dtype != np.uint8 or sample.shape[0] not in (3, 4):
        return False
    initials = "".join(n[:1].lower() for n in names)
    if initials in ("rgb", "rgba") and all(len(n) == 1 or n.lower() in _RGB_WORDS for n in names):
        return True
    if not all(n.isdecimal() for n in names):
        return bool(element.facts and element.facts.rgb)
    pixels = sample[:3].reshape(3, -1).astype(np.float32)
    if float(pixels.mean()) > 110:
        return True
    with np.errstate(invalid="ignore"):
        correlation: Any = np.nan_to_num(np.corrcoef(pixels))
    return bool(correlation[np.triu_indices(3, 1)].min() > 0.5)


_RGB_WORDS = {"red", "green", "blue", "alpha"}


def mean_pool(block: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor × factor pixels over the last two axes, in the block's own dtype."""
    parts = _split(block, factor).mean(axis=(-3, -1), dtype=np.float32)
    if np.issubdtype(block.dtype, np.integer):
        parts = np.rint(parts)
    return parts.astype(block.dtype)


def nearest_pool(block: np.ndarray, factor: int) -> np.ndarray:
    """The middle pixel of each factor × factor square: labels must not be averaged."""
    parts = _split(block, factor)
    return np.ascontiguousarray(parts[..., :, factor // 2, :, factor // 2])


def _split(block: np.ndarray, factor: int) -> np.ndarray:
    *outer, height, width = block.shape
    return block.reshape(*outer, height // factor, factor, width // factor, factor)


def _pyramid(element: Element) -> Pyramid:
    """The levels that are small enough to be read whole, in chunks that fit into memory."""
    levels = [_ordered(level) for level in raster_levels(element.data)]
    fitting = [
        i
        for i, a in enumerate(levels)
        if a.shape[:-2] == levels[0].shape[:-2]  # not a stack of fewer planes
        and a.size <= _most_values(element)
        and math.prod(max(sizes) for sizes in a.chunks) * a.dtype.itemsize <= _CHUNK_BYTES
    ]
    if not fitting:
        height, width = levels[0].shape[-2:]
        raise LeftOut(f"{element.name}, {width:,} × {height:,} pixels, is too large to draw here.")
    (full_h, full_w), (height, width) = levels[0].shape[-2:], levels[fitting[0]].shape[-2:]
    step = (full_h / height, full_w / width)
    return Pyramid([levels[i] for i in fitting], step, element, fitting)


def _most_values(element: Element) -> int:
    return element.most_values or READ_VALUES


def _ordered(level: Any) -> Any:
    """The dask array behind a DataArray, with axes in the order c, z, y, x."""
    return level.transpose(*(a for a in ("c", "z", "y", "x") if a in level.dims)).data


def _sample(pyramid: Pyramid, depth: int | None) -> np.ndarray:
    """A coarse picture in memory: the nearest level, every n-th pixel, the middle of a stack."""
    fitting = [i for i, a in enumerate(pyramid.levels) if max(a.shape[-2:]) >= _SAMPLE]
    level = pyramid.read(fitting[-1] if fitting else 0)
    step = max(1, round(max(level.shape[-2:]) / _SAMPLE))
    level = level[..., ::step, ::step]
    if depth:
        level = level[..., depth // 2, :, :]
    return np.asarray(level.compute())


def _depth(element: Element) -> int | None:
    """Number of planes of a stack, None for a plain picture."""
    return raster_levels(element.data)[0].sizes.get("z")


def _middle(element: Element) -> int:
    return (_depth(element) or 0) // 2


def _readable_names(names: list[str]) -> list[str]:
    return [f"Channel {n}" if n.isdecimal() else n for n in names]


def _scaling(
    sample: np.ndarray, dtype: np.dtype
) -> tuple[Callable[[np.ndarray], np.ndarray], np.dtype, str | None]:
    """How blocks become uint8 or uint16: a function of (c, …) blocks, the new dtype, and in
    words what that does to the values, where it does something to them."""
    if dtype in (np.uint8, np.uint16):
        return np.asarray, dtype, None
    if dtype == np.bool_:
        return lambda block: np.asarray(block).astype(np.uint8) * 255, np.dtype(np.uint8), None
    values = np.nan_to_num(sample.astype(np.float64).reshape(sample.shape[0], -1))
    low, high = values.min(axis=1), values.max(axis=1)
    if np.issubdtype(dtype, np.integer) and low.min() >= 0 and high.max() <= 40000:
        cut = "cut to 0 to 65,535 for the view"
        return lambda block: np.clip(block, 0, 65535).astype(np.uint16), np.dtype(np.uint16), cut
    # A coarse sample misses the brightest pixels, so leave room above what it saw.
    span = np.where(high > low, (high - low) * 1.25, 1.0)

    def scaled(block: np.ndarray) -> np.ndarray:
        shape = (-1, *([1] * (block.ndim - 1)))
        unit = (np.nan_to_num(block) - low.reshape(shape)) / span.reshape(shape)
        return np.rint(np.clip(unit, 0, 1) * 65535).astype(np.uint16)

    return scaled, np.dtype(np.uint16), "scaled to 16 bits for the view"


def _write_levels(
    folder: Path,
    pyramid: Pyramid,
    chunk: tuple[int, ...],
    dtype: np.dtype,
    budget: int,
    pool: Pool,
    convert: Callable[[np.ndarray], np.ndarray],
) -> tuple[list[tuple[int, tuple[int, ...]]], int]:
    """Write levels from the coarsest up; give (factor, shape) of those kept, the finest first."""
    finest = pyramid.levels[0]
    height, width = finest.shape[-2:]
    steps = 0
    while max(height, width) >> steps > CHUNK and min(height, width) >> steps > 1:
        steps += 1
    kept: list[tuple[int, tuple[int, ...]]] = []
    total = last = read = 0
    for step in range(steps, -1, -1):
        factor = 2**step
        shape = (*finest.shape[:-2], max(1, height // factor), max(1, width // factor))
        raw = math.prod(shape) * dtype.itemsize
        number, times = _nearest_finer(pyramid.levels, factor)
        read += pyramid.levels[number].size
        # Four times the pixels rarely take much more than four times the bytes.
        expected = total + (min(raw, 4.4 * last) if last else 0)
        if expected > budget or (kept and read > _most_values(pyramid.element)):
            break
        path = folder / f"f{factor}"
        array = gzip_array(path, shape, dtype, chunk)
        _fill(array, pyramid.read(number), times, shape, pool, convert)
        last = folder_size(path)[0]
        if total + last > budget:
            shutil.rmtree(path)
            break
        total += last
        kept.insert(0, (factor, shape))
    if not kept:
        raise LeftOut(f"{folder.name} is left out to keep the view small.")
    for i, (factor, _) in enumerate(kept):
        (folder / f"f{factor}").rename(folder / str(i))
    return kept, total


def _nearest_finer(levels: list[Any], factor: int) -> tuple[int, int]:
    """The number of the coarsest level of a source that `factor` is a whole multiple of, and how
    often.

    A level counts where the finest one is a whole multiple of it, to within a pixel of its own:
    other levels have their pixels elsewhere.
    """
    finest = levels[0].shape[-2:]
    for number in range(len(levels) - 1, 0, -1):
        size = levels[number].shape[-2:]
        step = round(finest[1] / size[1])
        whole = all(abs(n - step * m) < step for n, m in zip(finest, size, strict=True))
        if whole and step <= factor and factor % step == 0:
            return number, factor // step
    return 0, factor


def _fill(
    array: Any,
    source: Any,
    factor: int,
    shape: tuple[int, ...],
    pool: Pool,
    convert: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Fill a level from one of the source, `factor` times as fine, block by block."""
    height, width = shape[-2:]
    channels = shape[0] if len(shape) > 2 else 1
    side = max(8, int((_BLOCK_PIXELS / channels) ** 0.5) // factor)
    if side > CHUNK:
        side = side // CHUNK * CHUNK  # whole chunks, so that none is written twice
    for outer in np.ndindex(*shape[1:-2]) if len(shape) > 3 else [()]:
        middle = tuple(slice(i, i + 1) for i in outer)
        for y in range(0, height, side):
            for x in range(0, width, side):
                rows, columns = min(side, height - y), min(side, width - x)
                block = np.asarray(
                    source[
                        (
                            *([slice(None)] if len(shape) > 2 else []),
                            *middle,
                            slice(y * factor, (y + rows) * factor),
                            slice(x * factor, (x + columns) * factor),
                        )
                    ].compute()
                )
                pooled = pool(_padded(block, rows * factor, columns * factor), factor)
                target = (
                    *([slice(None)] if len(shape) > 2 else []),
                    *middle,
                    slice(y, y + rows),
                    slice(x, x + columns),
                )
                array[target] = convert(pooled)


def _padded(block: np.ndarray, height: int, width: int) -> np.ndarray:
    """Repeat the last row and column where the source ends a little early."""
    lack = (height - block.shape[-2], width - block.shape[-1])
    if lack == (0, 0):
        return block
    return np.pad(block, [(0, 0)] * (block.ndim - 2) + [(0, lack[0]), (0, lack[1])], mode="edge")


def _levels_left_out(element: Element, kept: list[tuple[int, tuple[int, ...]]]) -> list[str]:
    _, shape = kept[0]
    full = raster_levels(element.data)[0].sizes
    if shape[-1] == full["x"]:
        return []
    return [
        f"{element.name} is shown at {shape[-1]:,} × {shape[-2]:,} of its "
        f"{int(full['x']):,} × {int(full['y']):,} pixels."
    ]


def _channels(names: list[str], sample: np.ndarray, rgb: bool) -> list[dict[str, Any]]:
    """Name, contrast window and colour of each channel, and which are on at first."""
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] if rgb else channel_colors(names)
    channels = []
    for i, name in enumerate(names):
        low, high = (0, 255) if rgb else _window(sample[i])
        channels.append(
            {"index": i, "name": name, "color": colors[i], "window": [low, high], "on": i < _MAX_ON}
        )
    return channels


def _window(plane: np.ndarray) -> tuple[int, int]:
    """From the background to nearly the brightest pixel: percentiles over what is not zero."""
    lit = plane[plane > 0]
    if lit.size == 0:
        return 0, 1
    low, high = np.percentile(lit, [2, 99.7])
    if lit.size < plane.size * 0.5:
        low = 0
    return int(low), max(int(np.ceil(high)), int(low) + 1)


def _write_multiscale(
    folder: Path,
    placed: Placed,
    system: str,
    axes: str,
    pyramid: Pyramid,
    kept: list[tuple[int, tuple[int, ...]]],
    more: dict[str, Any],
) -> float:
    """Write the metadata of a pyramid; the side of its finest pixels in the frame."""
    base = kept[0][0]
    spaces = [{"name": a, "type": "channel" if a == "c" else "space"} for a in axes]
    datasets = []
    for i, (factor, _) in enumerate(kept):
        step = [float(factor // base) if a in "yx" else 1.0 for a in axes]
        datasets.append(
            {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": step}]}
        )
    pixel = {
        "x": float(placed.affine[0, 0]) * pyramid.step[1] * base,
        "y": float(placed.affine[1, 1]) * pyramid.step[0] * base,
    }
    shift = {"x": float(placed.affine[0, 2]), "y": float(placed.affine[1, 2])}
    scale = [pixel.get(a, 1.0) for a in axes]
    translation = [shift.get(a, 0.0) for a in axes]
    multiscale = {
        "name": placed.element.name,
        "axes": spaces,
        "datasets": datasets,
        "coordinateTransformations": [_transformation(axes, spaces, system, scale, translation)],
    }
    write_group(
        folder,
        {
            "ome": {"version": "0.5-dev-spatialdata", "multiscales": [multiscale], **more},
            "spatialdata_attrs": {"version": "0.3"},
        },
    )
    return pixel["x"]


def _transformation(
    axes: str, spaces: list[dict[str, str]], system: str, scale: list[float], shift: list[float]
) -> dict[str, Any]:
    units = [{**s, **({"unit": "unit"} if s["type"] == "space" else {})} for s in spaces]
    ends = {"input": {"name": axes, "axes": units}, "output": {"name": system, "axes": units}}
    if all(v == 1 for v in scale) and not any(shift):
        return {"type": "identity", **ends}
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale, **ends}]
    if any(shift):
        steps.append({"type": "translation", "translation": shift, **ends})
        steps[0]["output"] = steps[1]["input"] = ends["input"]
        return {"type": "sequence", "transformations": steps, **ends}
    return steps[0]
