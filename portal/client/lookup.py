"""The values of facets, to read and to type: `Facets` with their figures, `Lookup` for completion."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Any

from portal.errors import did_you_mean
from portal.search_fold import fold

__all__ = ["Facets", "Lookup", "Values"]

_SHOWN = 10


class Facets(dict[str, dict[str, int]]):
    """How many artifacts have each value, by facet; a dict that shows itself as lists."""

    def __repr__(self) -> str:
        lines = []
        for name, counted in self.items():
            lines += [name, *(f"  {n:>9,}  {label}" for label, n in list(counted.items())[:_SHOWN])]
            if len(counted) > _SHOWN:
                lines.append(f"{'':>13}and {len(counted) - _SHOWN:,} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from portal.client.html import facets_html

        return facets_html(self)


class _Named:
    """Values under names that can be typed."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"There is no {name!r}. {did_you_mean(name, values)}".rstrip())

    def __dir__(self) -> list[str]:
        return list(self._values)

    def __repr__(self) -> str:
        return f"<{', '.join(self._values)}>"


class Values(_Named):
    """The values of one facet: each attribute is what `filter` takes."""

    def __init__(self, labels: Iterable[str]):
        names: dict[str, str] = {}
        for label in labels:
            name = base = _identifier(label)
            n = 2
            while name in names:
                name, n = f"{base}_{n}", n + 1
            names[name] = label
        super().__init__(names)


class Lookup(_Named):
    """The facets: each attribute has the values of one."""

    def __init__(self, facets: Mapping[str, Iterable[str]]):
        super().__init__({name: Values(labels) for name, labels in facets.items()})


def _identifier(label: str) -> str:
    """`10x Xenium` → `_10x_xenium`."""
    name = re.sub(r"\W+", "_", fold(label)).strip("_") or "value"
    name = f"_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) or not name.isidentifier() else name
