"""A static data portal for SpatialData `.zarr` artifacts.

The way of the data: manifest → scan → curate → catalog → render → publish. Each stage is a
module with one public verb; this package imports none of them by itself, so `import portal`
costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.curator import Curator, Report

__all__ = ["Curator", "Report", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What is used from Python is imported when it is first asked for."""
    if name in ("Curator", "Report"):
        from portal import curator

        return getattr(curator, name)
    raise AttributeError(f"module 'portal' has no attribute {name!r}")
