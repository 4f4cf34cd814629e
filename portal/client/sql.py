"""A query in SQL → a DataFrame, by DuckDB over the files of a portal. One verb: `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portal.client.catalog import Catalog
from portal.client.tables import need_pandas
from portal.errors import PortalError, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run"]

_OF_ARTIFACTS = ("elements", "problems")
_OTHERS = ("collections", "genes")


def run(query: str, catalog: Catalog) -> pd.DataFrame:
    """See `Portal.sql`."""
    try:
        import duckdb
    except ImportError as e:
        raise UsageError("sql needs DuckDB: pip install duckdb.") from e
    need_pandas()
    closed: dict[str, Any] = {"enable_external_access": False, "autoload_known_extensions": False}
    with duckdb.connect(":memory:", config=closed) as connection:
        connection.execute("SET python_enable_replacements = false")
        for name, table in _tables(catalog, query):
            connection.register(name, table)
        connection.execute("SET lock_configuration = true")
        try:
            found = connection.sql(query)
            if found is not None:
                return found.df()
        except duckdb.Error as e:
            raise UsageError(f"DuckDB says: {e}") from e
    raise UsageError("This asks for nothing: write `select ...`.")


def _tables(catalog: Catalog, query: str) -> list[tuple[str, Any]]:
    """The tables that a query names; of artifacts only those that the site lists."""
    places = np.sort(catalog.places)
    tables = catalog.tables
    found = [("catalog", tables.catalog.arrow().take(places))]
    for name in (*_OF_ARTIFACTS, *_OTHERS):
        if name not in query.lower():
            continue
        try:
            table = tables.other(name)
        except PortalError:
            continue  # a catalog alone: then DuckDB says that there is no such table
        rows = table.arrow()
        if name in _OF_ARTIFACTS:
            listed = set(catalog.ids(np.arange(catalog.n)))
            rows = rows.take(np.flatnonzero([uid in listed for uid in table.texts("uid")]))
        found.append((name, rows))
    return found
