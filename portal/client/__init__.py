"""A portal from Python: open, query, describe, load. One verb: `open_portal(where)`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portal.client.site import Portal

__all__ = ["open_portal"]


def open_portal(where: str | Path) -> Portal:
    """The portal at an address (http, https, s3, gs, az), in the folder of a site, or its catalog.

    `where` may also be a `catalog.parquet` alone, which can be filtered by its columns, but not
    searched. Raises UsageError for what is no portal.
    """
    from portal.client.site import Portal

    return Portal(where)
