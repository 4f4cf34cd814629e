"""Files that ship inside the package: templates, front-end assets, the default schema."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path

from portal.errors import BuildError

__all__ = [
    "asset_manifest",
    "assets_dir",
    "default_schema",
    "docs_dir",
    "shipped_schema",
    "shipped_schemas",
    "templates_dir",
]

_PACKAGE = Path(str(resources.files("portal")))
_CHECKOUT = _PACKAGE.parent


def templates_dir() -> Path:
    """The Jinja2 templates: inside the wheel, or beside the package in a checkout."""
    inside = _PACKAGE / "templates"
    return inside if inside.is_dir() else _CHECKOUT / "templates"


def docs_dir() -> Path:
    """The prose that every portal starts with: inside the wheel, or beside the package."""
    inside = _PACKAGE / "docs"
    return inside if inside.is_dir() else _CHECKOUT / "docs"


def default_schema() -> Path:
    """The metadata schema of a portal that has none of its own: it requires nothing."""
    return shipped_schema("minimal")


def shipped_schema(name: str) -> Path:
    """The file of one of the schemas that come with the portal."""
    return _PACKAGE / "data" / "schemas" / f"{name}.yaml"


@cache
def shipped_schemas() -> list[str]:
    """The names of the schemas that come with the portal."""
    return sorted(p.stem for p in (_PACKAGE / "data" / "schemas").glob("*.yaml"))


def assets_dir() -> Path:
    """The bundled front end."""
    return _PACKAGE / "assets"


@cache
def asset_manifest() -> dict[str, str]:
    """Logical name of a front-end asset to its content-hashed path under `assets/`.

    Raises BuildError where the front end was never bundled (a checkout without `make assets`).
    """
    path = assets_dir() / "manifest.json"
    if not path.is_file():
        raise BuildError(
            f"The front end is not bundled: there is no {path}. Run `make assets` (needs Node)."
        )
    return json.loads(path.read_text("utf-8"))
