"""The published copy of a store: every file, and `files.json` that lists them.

A static host can't be asked what a folder holds, so the list says it: path, bytes and sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from portal.record import PublishedCopy

__all__ = ["publish_copy"]

_CHUNK = 1 << 20


def publish_copy(source: Path, folder: Path, id_: str) -> PublishedCopy:
    """Copy the store into `folder` and write its files.json beside it.

    Links and special files are not copied: what lies outside a store stays outside.
    Raises OSError for a file that can't be read, ValueError for a name that is not UTF-8.
    """
    name = f"{id_}.zarr.zip" if source.is_file() else f"{id_}.zarr"
    target = folder / name
    files = []
    if source.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        files.append(_copy(source, target, name))
    else:
        for path in sorted(_regular_files(source)):
            relative = path.relative_to(source).as_posix()
            if not relative.isprintable():
                raise ValueError(f"the file name {relative!r} can't be an address")
            to = target / relative
            to.parent.mkdir(parents=True, exist_ok=True)
            files.append(_copy(path, to, f"{name}/{relative}"))
    total = sum(f["bytes"] for f in files)
    listing = folder / "files.json"
    listing.write_text(
        json.dumps(
            {"format": "spatialdata-portal/files/1", "store": name, "bytes": total, "files": files},
            indent=0,
            ensure_ascii=False,
        )
        + "\n",
        encoding="utf-8",
    )
    return PublishedCopy(
        store=f"data/{id_}/{name}",
        files_json=f"data/{id_}/files.json",
        bytes=total,
        files=len(files),
    )


def _regular_files(folder: Path) -> list[Path]:
    found, todo = [], [folder]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for e in entries:
                if e.is_dir(follow_symlinks=False):
                    todo.append(Path(e.path))
                elif e.is_file(follow_symlinks=False):
                    found.append(Path(e.path))
    return found


def _copy(source: Path, target: Path, shown: str) -> dict[str, str | int]:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(_CHUNK):
            digest.update(block)
            size += len(block)
            write.write(block)
    return {"path": shown, "bytes": size, "sha256": digest.hexdigest()}
