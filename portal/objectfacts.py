"""A SpatialData object in memory → StoreFacts, so that it is judged as a store on disk is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from portal.errors import Problem, Severity
from portal.facts import Column, ElementFacts, MatrixFacts, StoreFacts, Transformation

if TYPE_CHECKING:
    from spatialdata import SpatialData

__all__ = ["facts_of"]

MOST = 10_000
"""Distinct values of a column that are read; more are no categories."""
DEPTH = 20


def facts_of(sdata: SpatialData, name: str = "object") -> StoreFacts:
    """What an object in memory says about itself; `name` is its name in messages.

    Nothing is computed: of lazy elements only names, shapes and types are read.
    """
    problems: list[Problem] = []
    attributes = _Attributes(name, problems).mapping(sdata.attrs, ())
    reserved = attributes.pop("spatialdata_attrs", None)
    if reserved is not None:
        problems.append(
            _problem(
                "attribute-reserved",
                "warning",
                f"{name}/attrs/spatialdata_attrs",
                "SpatialData keeps `spatialdata_attrs` for itself and writes it anew.",
                "Move your own values to another key.",
            )
        )
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


class _Attributes:
    """Attributes as JSON has them; what JSON does not have is told."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name, self.problems = name, problems

    def mapping(self, value: Mapping[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
        if len(path) > DEPTH:
            self._tell("attribute-unwritable", "error", path, "It is nested too deep.")
            return {}
        return {str(k): self.value(v, (*path, str(k))) for k, v in value.items()}

    def value(self, value: Any, path: tuple[str, ...]) -> Any:
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, Mapping):
            return self.mapping(value, path)
        if hasattr(value, "tolist"):  # NumPy's numbers and arrays, pandas' columns
            return self.value(value.tolist(), path)
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            what = f"`{value}` is not JSON: browsers can't read it."
            self._tell("json-nan", "warning", path, what, "Leave the key out, or use None.")
            return None
        if isinstance(value, list | tuple | set | frozenset):
            if len(path) > DEPTH:
                self._tell("attribute-unwritable", "error", path, "It is nested too deep.")
                return []
            items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
            return [self.value(v, path) for v in items]
        if isinstance(value, datetime | date):
            what = f"A {type(value).__name__} is no JSON."
            self._tell(
                "attribute-converted", "warning", path, what, f"Write {value.isoformat()!r}."
            )
            return value.isoformat()
        what = f"A {type(value).__name__} can't be stored."
        self._tell(
            "attribute-unwritable", "error", path, what, "Use text, numbers, lists, mappings."
        )
        return None

    def _tell(
        self, code: str, severity: Severity, path: tuple[str, ...], what: str, remedy: str = ""
    ) -> None:
        where = "/".join((self.name, "attrs", ".".join(path)))
        self.problems.append(_problem(code, severity, where, what, remedy))


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
    columns = tuple(
        Column(name=str(c), dtype=str(t)) for c, t in element.dtypes.items() if c != "geometry"
    )
    return ElementFacts(
        kind=kind,
        name=name,
        path=f"{kind}/{name}",
        columns=columns,
        n_rows=len(element) if kind == "shapes" else None,
        transformations=_transformations(element),
    )


def _table(name: str, table: Any) -> ElementFacts:
    link = table.uns.get("spatialdata_attrs", {})
    region = link.get("region")
    regions = [region] if isinstance(region, str) else list(region if region is not None else ())
    return ElementFacts(
        kind="tables",
        name=name,
        path=f"tables/{name}",
        n_rows=table.n_obs,
        n_vars=table.n_vars,
        obs=_columns(table.obs),
        var=_columns(table.var),
        obsm=tuple(MatrixFacts(name=k, encoding=type(m).__name__) for k, m in table.obsm.items()),
        regions=tuple(map(str, regions)),
        region_key=link.get("region_key"),
        instance_key=link.get("instance_key"),
        feature_ids=tuple(map(str, table.var_names)),
    )


def _columns(frame: Any) -> tuple[Column, ...]:
    return tuple(_column(str(name), frame[name]) for name in frame.columns)


def _column(name: str, values: Any) -> Column:
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        used = values.cat.categories
        return _categorical(name, "categorical", used, bool(values.cat.ordered))
    if pd.api.types.is_bool_dtype(values.dtype):
        return Column(name=name, dtype="boolean")
    if pd.api.types.is_numeric_dtype(values.dtype):
        return Column(name=name, dtype=str(values.dtype))
    return _categorical(name, "string", values.dropna().unique(), False)


def _categorical(name: str, dtype: str, values: Any, ordered: bool) -> Column:
    few = len(values) <= MOST
    return Column(
        name=name,
        dtype=dtype,
        categories=tuple(map(str, values)) if few else None,
        n_categories=len(values),
        ordered=ordered,
    )
