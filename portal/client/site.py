"""A portal as a whole: all that it lists, and what is reached by its id alone. One noun: `Portal`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from portal.client.artifact import Artifact
from portal.client.catalog import Catalog
from portal.client.query import Hits
from portal.client.source import open_source
from portal.client.tables import Row
from portal.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Portal"]


class Portal(Hits):
    """All artifacts that a portal lists, newest first; `get` reaches the others too.

    `where` is what `portal.open` takes. Raises UsageError for what is no portal.
    """

    def __init__(self, where: str | Path):
        self.source = open_source(where)
        """Where its files come from."""
        super().__init__(Catalog(self.source), {})

    @property
    def built_at(self) -> str:
        """When the site was built; empty for a catalog alone."""
        return self.catalog.built_at

    @property
    def fields(self) -> list[str]:
        """What conditions may name."""
        return self.catalog.fields

    def get(self, id: str) -> Artifact:
        """The artifact with an id, a former one too; also one that was withdrawn or superseded.

        Raises UsageError where there is none.
        """
        place = self.catalog.tables.place
        found = id if id in place else self.catalog.present_id(id)
        if found is None:
            hint = did_you_mean(id, place)
            raise UsageError(f"No artifact is called {id!r}. {hint}".rstrip())
        return Artifact(found, self.source, Row(self.catalog.tables.catalog, place[found]))

    def sql(self, query: str) -> pd.DataFrame:
        """What DuckDB says to a query over `catalog`, `elements`, `problems`, `genes` and
        `collections`; of artifacts these have only those that are listed.

        It sees nothing else: no file, no address. Raises UsageError where DuckDB is not
        installed, and for a query that it does not understand.
        """
        from portal.client.sql import run

        return run(query, self.catalog)
