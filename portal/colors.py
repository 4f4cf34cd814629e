"""Colours that views and thumbnails share: distinct to colour-blind eyes, on light and dark."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["CATEGORICAL", "CHANNELS", "Color", "category_colors", "channel_colors", "ramp"]

Color = tuple[int, int, int]

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

# Magma without its black end, so that low values stay visible on dark and on tissue.
_RAMP: tuple[Color, ...] = (
    (46, 21, 99),
    (101, 26, 128),
    (158, 47, 127),
    (214, 69, 108),
    (248, 118, 92),
    (254, 176, 120),
    (252, 236, 174),
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


def ramp(value: float) -> Color:
    """The colour of a value between 0 and 1 on a scale from dark violet to light yellow."""
    place = min(max(value, 0.0), 1.0) * (len(_RAMP) - 1)
    i = min(int(place), len(_RAMP) - 2)
    part = place - i
    r, g, b = (round(p + (q - p) * part) for p, q in zip(_RAMP[i], _RAMP[i + 1], strict=True))
    return r, g, b
