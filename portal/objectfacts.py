"""A SpatialData object in memory → StoreFacts, so that it is judged as a store on disk is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from portal.errors import Problem, Severity
from portal.facts import Column, ElementFacts, MatrixFacts, StoreFacts, Transformation
from portal.scan_tables import ID_COLUMNS, MAX_CATEGORIES, look_stable

if TYPE_CHECKING:
    from spatialdata import SpatialData

__all__ = ["as_json", "facts_of"]

DEPTH = 20
"""Levels that attributes may be nested."""
_FINE_TIMES = ("[ns]", "[ps]", "[fs]", "[as]")


def facts_of(sdata: SpatialData, name: str = "object") -> StoreFacts:
    """What an object in memory says about itself; `name` is its name in messages.

    Nothing is computed: of lazy elements only names, shapes and types are read.
    """
    attributes, problems = as_json(sdata.attrs, f"{name}/attrs")
    if "spatialdata_attrs" in attributes:
        del attributes["spatialdata_attrs"]
        where = f"{name}/attrs/spatialdata_attrs"
        what = "`spatialdata_attrs` is where SpatialData writes the version that readers need."
        remedy = "Move your own values to another key."
        problems.append(_problem("attribute-reserved", "error", where, what, remedy))
    elements = [
        *(_raster("images", n, e) for n, e in sorted(sdata.images.items())),
        *(_raster("labels", n, e) for n, e in sorted(sdata.labels.items())),
        *(_frame("points", n, e) for n, e in sorted(sdata.points.items())),
        *(_frame("shapes", n, e) for n, e in sorted(sdata.shapes.items())),
        *(_table(n, t) for n, t in sorted(sdata.tables.items())),
    ]
    return StoreFacts(
        kind="spatialdata",
        elements=tuple(elements),
        attributes=attributes,
        problems=tuple(problems),
    )


def _problem(code: str, severity: Severity, where: str, what: str, remedy: str = "") -> Problem:
    return Problem(code=code, severity=severity, where=where, what=what, remedy=remedy)


def as_json(values: Mapping[Any, Any], where: str) -> tuple[dict[str, Any], list[Problem]]:
    """Values as JSON has them, and what JSON does not have; `where` is their place in messages."""
    made = _Json(where)
    return made.mapping(values, (), ()), made.problems


class _Json:
    def __init__(self, where: str) -> None:
        self.where = where
        self.problems: list[Problem] = []

    def mapping(
        self, value: Mapping[Any, Any], path: tuple[str, ...], above: tuple[int, ...]
    ) -> dict[str, Any]:
        """`above` are what it lies in, so that nothing is followed that holds itself."""
        made: dict[str, Any] = {}
        if self._is_endless(value, path, above):
            return made
        for key, inner in value.items():
            name = str(key)
            at = (*path, name)
            if not isinstance(key, str):
                what = f"A key is of the type {type(key).__name__}; it is stored as text."
                self._tell("attribute-converted", "warning", at, what, f"Write {name!r}.")
            if not _is_text(name):
                self._half_a_pair(path)
            elif name in made:
                self._unwritable(at, f"Two keys are stored as `{name}`.", "Rename one.")
            else:
                made[name] = self.value(inner, at, (*above, id(value)))
        return made

    def value(self, value: Any, path: tuple[str, ...], above: tuple[int, ...]) -> Any:
        if isinstance(value, str):
            return value if _is_text(value) else self._half_a_pair(path)
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, Mapping):
            return self.mapping(value, path, above)
        if isinstance(value, list | tuple | set | frozenset):
            if self._is_endless(value, path, above):
                return []
            items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
            return [self.value(v, path, (*above, id(value))) for v in items]
        return self._other(value, path, above)

    def _other(self, value: Any, path: tuple[str, ...], above: tuple[int, ...]) -> Any:
        import numpy as np

        kind = type(value).__name__
        if isinstance(value, float | np.floating) and math.isfinite(value):
            return float(value)
        if isinstance(value, float | np.floating) or kind in ("NaTType", "NAType"):
            what = f"JSON has no `{value}`; null is stored."
            self._tell("json-nan", "warning", path, what, "Leave the key out, or use None.")
            return None
        if isinstance(value, np.generic | np.ndarray) and value.dtype.str.endswith(_FINE_TIMES):
            value = value.astype(f"{value.dtype.kind}8[us]")  # tolist() would make them int
        if hasattr(value, "tolist") and type(plain := value.tolist()) is not type(value):
            return self.value(plain, path, above)  # NumPy's numbers and arrays, pandas' columns
        if isinstance(value, datetime | date):
            text = value.isoformat()
            what = f"JSON has no {kind}; it is stored as text."
            self._tell("attribute-converted", "warning", path, what, f"Write {text!r}.")
            return text
        what = f"A value of the type {kind} can't be stored."
        return self._unwritable(path, what, "Use text, numbers, lists, mappings.")

    def _is_endless(self, value: Any, path: tuple[str, ...], above: tuple[int, ...]) -> bool:
        if id(value) in above:
            self._unwritable(path, "It holds itself.", "Store it flatter.")
        elif len(above) > DEPTH:
            what = f"It is nested more than {DEPTH} levels deep."
            self._unwritable(path, what, "Store it flatter.")
        return id(value) in above or len(above) > DEPTH

    def _half_a_pair(self, path: tuple[str, ...]) -> None:
        what = "A text has half of a surrogate pair in it, which no file takes."
        self._unwritable(path, what, "Was it read with the wrong encoding?")

    def _unwritable(self, path: tuple[str, ...], what: str, remedy: str) -> None:
        self._tell("attribute-unwritable", "error", path, what, remedy)

    def _tell(
        self, code: str, severity: Severity, path: tuple[str, ...], what: str, remedy: str
    ) -> None:
        where = f"{self.where}/{'.'.join(path)}" if path else self.where
        self.problems.append(_problem(code, severity, where, what, remedy))


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _transformations(element: Any) -> tuple[Transformation, ...]:
    from spatialdata.transformations import get_transformation

    found = get_transformation(element, get_all=True)
    systems = found.items() if isinstance(found, Mapping) else ()
    return tuple(
        Transformation(coordinate_system=str(name), kind=type(t).__name__.lower())
        for name, t in systems
    )


def _raster(kind: Any, name: str, element: Any) -> ElementFacts:
    from spatialdata.models import get_axes_names, get_channel_names

    full = element["scale0"]["image"] if "scale0" in getattr(element, "children", {}) else element
    return ElementFacts(
        kind=kind,
        name=name,
        path=f"{kind}/{name}",
        axes=tuple(get_axes_names(element)),
        shape=tuple(full.shape),
        dtype=str(full.dtype),
        channels=tuple(map(str, get_channel_names(element))) if kind == "images" else (),
        transformations=_transformations(element),
    )


def _frame(kind: Any, name: str, element: Any) -> ElementFacts:
    """Points or shapes. Of points the number of rows is not known without computing them."""
    from spatialdata.models import get_axes_names

    dtypes = {str(c): t for c, t in element.dtypes.items() if c != "geometry"}
    index = element.index
    # An index with a name becomes a column of the file, unless it only counts.
    if index.name is not None and type(index).__name__ != "RangeIndex":
        dtypes.setdefault(str(index.name), index.dtype)
    return ElementFacts(
        kind=kind,
        name=name,
        path=f"{kind}/{name}",
        axes=tuple(get_axes_names(element)),
        columns=tuple(Column(name=c, dtype=_dtype(t)) for c, t in dtypes.items()),
        n_rows=len(element) if kind == "shapes" else None,
        transformations=_transformations(element),
    )


def _table(name: str, table: Any) -> ElementFacts:
    link = table.uns.get("spatialdata_attrs", {})
    region = link.get("region")
    regions = [region] if isinstance(region, str) else list(region if region is not None else ())
    obs, var = _columns(table.obs), _columns(table.var)
    ids = tuple(map(str, table.var_names))
    return ElementFacts(
        kind="tables",
        name=name,
        path=f"tables/{name}",
        n_rows=table.n_obs,
        n_vars=table.n_vars,
        obs=obs,
        var=var,
        obsm=tuple(MatrixFacts(name=k, encoding=type(m).__name__) for k, m in table.obsm.items()),
        regions=tuple(map(str, regions)),
        region_key=link.get("region_key"),
        instance_key=link.get("instance_key"),
        feature_ids=ids,
        feature_accessions=_accessions(table.var, var, ids),
    )


def _accessions(frame: Any, columns: Sequence[Column], ids: tuple[str, ...]) -> tuple[str, ...]:
    """Stable ids in a column of var, where its index holds symbols: those that a scan takes."""
    if not ids or look_stable(ids):
        return ()
    places = {c.name.lower(): i for i, c in enumerate(columns) if c.dtype in _TEXTUAL}
    for place in (places[n] for n in ID_COLUMNS if n in places):
        found = frame.iloc[:, place].astype(object)
        texts = tuple(map(str, found.where(found.notna(), "")))
        if look_stable(texts):
            return texts
    return ()


def _columns(frame: Any) -> tuple[Column, ...]:
    return tuple(_column(str(name), values) for name, values in frame.items())


def _column(name: str, values: Any) -> Column:
    dtype = _dtype(values.dtype)
    if dtype == "categorical":
        return _counted(name, dtype, values.cat.categories, bool(values.cat.ordered))
    if dtype not in _TEXTUAL:
        return Column(name=name, dtype=dtype)
    try:
        return _counted(name, "string", values.dropna().unique(), False)
    except TypeError:  # lists and the like: they can't be told apart, nor stored
        return Column(name=name, dtype="object")


_TEXTUAL = ("string", "object", "categorical")


def _dtype(dtype: Any) -> str:
    """A type as a scan calls it."""
    import pandas as pd

    if isinstance(dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if isinstance(dtype, pd.StringDtype):
        return "string"
    return str(dtype).lower()  # `Int64` is stored as int64, with a mask


def _counted(name: str, dtype: str, values: Any, ordered: bool) -> Column:
    return Column(
        name=name,
        dtype=dtype,
        categories=tuple(map(str, values[:MAX_CATEGORIES])),
        n_categories=len(values),
        ordered=ordered,
    )
