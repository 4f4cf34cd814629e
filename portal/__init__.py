"""A static data portal for SpatialData `.zarr` artifacts.

The way of the data: manifest → scan → curate → catalog → render → publish. Each stage is a
module with one public verb; this package imports none of them by itself, so `import portal`
costs nothing.
"""

__version__ = "0.1.0"
