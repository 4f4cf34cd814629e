"""`portal init`: the files of a new portal."""

from __future__ import annotations

import json
from pathlib import Path

from portal.errors import UsageError, did_you_mean
from portal.jsonschema import entry_json_schema
from portal.resources import shipped_schemas, templates_dir
from portal.schema import load_schema

__all__ = ["start_portal"]

_FILES = {
    "site_config.yaml": "site_config.yaml",
    "schema.yaml": "data_manifest/schema.yaml",
    "example.yaml": "data_manifest/example.yaml",
    "collections.yaml": "data_manifest/collections.yaml",
    "portal.yml": ".github/workflows/portal.yml",
}


def start_portal(folder: Path, schema: str = "minimal") -> list[Path]:
    """Write config, schema, one example entry and a workflow into `folder`.

    `schema` is the shipped schema that the portal's own extends. Raises UsageError, and writes
    nothing, where one of the files is there already or there is no such schema.
    """
    if schema not in shipped_schemas():
        raise UsageError(
            f"There is no schema {schema!r}. {did_you_mean(schema, shipped_schemas())}"
        )
    texts = {
        folder / target: (templates_dir() / "init" / name).read_text("utf-8")
        for name, target in _FILES.items()
    }
    own = folder / "data_manifest" / "schema.yaml"
    texts[own] = texts[own].replace("extends: minimal", f"extends: {schema}")
    merged = load_schema(schema)
    texts[own.with_name("entry.schema.json")] = (
        json.dumps(entry_json_schema(merged), indent=1) + "\n"
    )
    texts[folder / ".gitignore"] = "/site/\n/.site.*\n/.portal/\n"
    there = [str(p) for p in texts if p.exists() and p.name != ".gitignore"]
    if there:
        raise UsageError(f"Nothing was written: {', '.join(sorted(there))} is there already.")
    for path, text in texts.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return sorted(texts)
