"""A static data portal for SpatialData `.zarr` artifacts.

The way of the data: manifest → scan → curate → catalog → render → publish. Each stage is a
module with one public verb; this package imports none of them by itself, so `import portal`
costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.client import open_portal as open
    from portal.client.freezing import thaw
    from portal.client.manifest import Manifest
    from portal.curator import Curator, Report
    from portal.lineage import track, tracking

__all__ = ["Curator", "Manifest", "Report", "__version__", "open", "thaw", "track", "tracking"]

__version__ = "0.1.0"

# What is used from Python, imported when it is first asked for: the module and the name there.
_LAZY = {
    "Curator": ("portal.curator", "Curator"),
    "Manifest": ("portal.client.manifest", "Manifest"),
    "Report": ("portal.curator", "Report"),
    "open": ("portal.client", "open_portal"),
    "thaw": ("portal.client.freezing", "thaw"),
    "track": ("portal.lineage", "track"),
    "tracking": ("portal.lineage", "tracking"),
}


def __getattr__(name: str) -> Any:
    """The names above."""
    if name in _LAZY:
        from importlib import import_module

        module, attribute = _LAZY[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'portal' has no attribute {name!r}")
