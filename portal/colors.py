"""Colours that views and thumbnails share: distinct to colour-blind eyes, on light and dark."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = [
    "CATEGORICAL",
    "CHANNELS",
    "MAX_COLORS",
    "Color",
    "category_colors",
    "channel_colors",
    "ramp",
]

Color = tuple[int, int, int]
# Of all sets of a table together, with one for each set: a viewer keeps their number in a byte.
MAX_COLORS = 254

# Okabe and Ito's eight without black, then Tol's muted ones that are furthest from them.
CATEGORICAL: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (0, 114, 178),
    (213, 94, 0),
    (136, 204, 238),
    (170, 68, 153),
    (153, 153, 51),
    (68, 170, 153),
    (204, 102, 119),
    (128, 128, 255),
    (221, 204, 119),
    (51, 160, 44),
    (187, 187, 187),
)

# Additive colours of fluorescence channels.
CHANNELS: tuple[Color, ...] = (
    (86, 140, 255),
    (255, 170, 40),
    (40, 220, 160),
    (240, 90, 200),
    (245, 225, 80),
    (255, 90, 70),
)
_NUCLEAR = re.compile(r"dapi|hoechst|nucle|dna\b|draq|sytox|histone", re.IGNORECASE)

# Plasma and viridis without their darkest ends: the one for dark grounds, the other for tissue
# that is stained pink and violet itself.
_ON_DARK: tuple[Color, ...] = (
    (70, 20, 140),
    (126, 3, 168),
    (180, 32, 150),
    (220, 75, 120),
    (244, 120, 85),
    (253, 180, 50),
    (240, 249, 33),
)
_ON_COLOR: tuple[Color, ...] = (
    (68, 30, 112),
    (62, 74, 137),
    (38, 110, 142),
    (31, 150, 139),
    (63, 188, 115),
    (149, 216, 64),
    (253, 231, 37),
)


def category_colors(n: int) -> list[Color]:
    """`n` colours for categories; past the palette's end they repeat, a little darker."""
    colors = []
    for i in range(n):
        shade = 0.8 ** (i // len(CATEGORICAL))
        r, g, b = CATEGORICAL[i % len(CATEGORICAL)]
        colors.append((round(r * shade), round(g * shade), round(b * shade)))
    return colors


def channel_colors(names: Sequence[str]) -> list[Color]:
    """A colour for each channel: white for a lone one, blue for nuclear stains, others in turn."""
    if len(names) == 1:
        return [(255, 255, 255)]
    nuclear = next((i for i, name in enumerate(names) if _NUCLEAR.search(name)), 0)
    rest = iter(range(1, len(names)))
    return [
        CHANNELS[0] if i == nuclear else CHANNELS[1 + (next(rest) - 1) % (len(CHANNELS) - 1)]
        for i in range(len(names))
    ]


def ramp(value: float, *, on_color: bool = False) -> Color:
    """The colour of a value between 0 and 1, from dark violet to bright yellow."""
    stops = _ON_COLOR if on_color else _ON_DARK
    place = min(max(value, 0.0), 1.0) * (len(stops) - 1)
    i = min(int(place), len(stops) - 2)
    part = place - i
    r, g, b = (round(p + (q - p) * part) for p, q in zip(stops[i], stops[i + 1], strict=True))
    return r, g, b
