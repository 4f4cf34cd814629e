"""`portal init`: the files of a new portal."""

from __future__ import annotations

from pathlib import Path

from portal.errors import UsageError
from portal.resources import default_schema, templates_dir

__all__ = ["start_portal"]

_FILES = {
    "site_config.yaml": "site_config.yaml",
    "example.yaml": "data_manifest/example.yaml",
    "collections.yaml": "data_manifest/collections.yaml",
    "portal.yml": ".github/workflows/portal.yml",
}


def start_portal(folder: Path) -> list[Path]:
    """Write config, schema, one example entry and a workflow into `folder`.

    Raises UsageError, and writes nothing, where one of the files is there already.
    """
    texts = {
        folder / target: (templates_dir() / "init" / name).read_text("utf-8")
        for name, target in _FILES.items()
    }
    texts[folder / "data_manifest" / "schema.yaml"] = default_schema().read_text("utf-8")
    texts[folder / ".gitignore"] = "/site/\n/.site.*\n/.portal/\n"
    there = [str(p) for p in texts if p.exists() and p.name != ".gitignore"]
    if there:
        raise UsageError(f"Nothing was written: {', '.join(sorted(there))} is there already.")
    for path, text in texts.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return sorted(texts)
