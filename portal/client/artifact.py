"""One artifact of a portal, from Python: `Artifact(id, source, row)`.

What its row of the catalog says is an attribute (`artifact.n_obs`); all else that is known of it
is its `record`, read when it is first asked for. Everything heavier is done by the modules that
the methods call, and imported only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.client.source import Damaged, Source
from portal.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from spatialdata import SpatialData

    from portal.client.opening import Opened
    from portal.record import Record

__all__ = ["Artifact"]


class Artifact:
    """A data set of the portal at `source`; `row` is its row of the catalog, by column."""

    def __init__(self, id: str, source: Source, row: Mapping[str, Any]):
        self.id = id
        self.source = source
        self.row = row

    def __repr__(self) -> str:
        return f"<Artifact {self.id}: {self.row.get('title') or 'without title'}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Artifact):
            return NotImplemented
        return (other.id, other.source.root) == (self.id, self.source.root)

    def __hash__(self) -> int:
        return hash((self.id, self.source.root))

    def __getattr__(self, name: str) -> Any:
        """The value of a column of the catalog."""
        row = {} if name.startswith("_") or name == "row" else self.row
        if name in row:
            return row[name]
        hint = did_you_mean(name, row)
        raise AttributeError(f"The catalog has no column {name!r}. {hint}".strip())

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.row})

    @cached_property
    def record(self) -> Record:
        """All that the portal knows of it. Raises NotThere or Damaged where that can't be read."""
        from pydantic import ValidationError

        from portal.entry import ID
        from portal.record import Record

        if not ID.fullmatch(self.id):
            raise UsageError(f"{self.id!r} can't be an id.")
        path = f"datasets/{self.id}/artifact.json"
        try:
            record = Record.model_validate_json(self.source.read(path))
        except ValidationError as e:
            what = f"{self.source.address(path)} is no record that this version can read"
            raise Damaged(f"{what}: {e.errors()[0]['msg']}.") from None
        if record.id != self.id:
            raise Damaged(f"{self.source.address(path)} is the record of another artifact.")
        return record

    def describe(self) -> None:
        """Print what it is, as a tree, as `portal describe` does."""
        from rich.console import Console

        from portal.describing import describe

        Console().print(describe(self.record))

    def load(
        self, elements: str | Iterable[str] | None = None, *, progress: bool = True
    ) -> SpatialData:
        """The whole object, or only some elements: `["table", "points/transcripts"]`.

        A store elsewhere is fetched into the cache, once; with `elements` only their files.
        Raises BuildError without the extra `build` or for want of room, NoFiles where the store
        can't be fetched, PortalError where it can't be read.
        """
        from portal.client.loading import load

        return load(self.record, self.source, elements, progress=progress)

    def open(self) -> Opened:
        """Access without a download: `.group`, `.table(name)`, `.image(name, level=-1)`."""
        from portal.client.opening import open_store

        return open_store(self.record, self.source)

    def download(
        self,
        dest: str | Path,
        elements: str | Iterable[str] | None = None,
        *,
        progress: bool = True,
    ) -> Path:
        """Fetch the store into the folder `dest`; returns where it is: `dest/<id>.zarr`.

        A manifest beside it has a hash of it; a download that was cut off goes on.
        """
        from portal.client.cohort import download

        return download([self], dest, elements, progress=progress).path(self.id)

    def tiles(self, **options: Any) -> Any:
        """Tiles of its images, to train on: see `portal.client.tiles`."""
        from portal.client.tiles import tiles_of

        return tiles_of(self, **options)

    def save_vitessce_config(self, *args: Any, **options: Any) -> Any:
        """Keep a view of it as one of the curator's: see `portal.client.views`."""
        from portal.client.views import save_vitessce_config

        return save_vitessce_config(self, *args, **options)

    def lineage(self) -> Any:
        """What it was made from, and what was made from it: see `portal.lineagegraph`."""
        from portal.lineagegraph import lineage

        return lineage(self)

    def _repr_html_(self) -> str:
        from portal.client.artifacthtml import card

        return card(self)
