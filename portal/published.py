"""Views that the site has published already → the cache. One verb: `fetch_view`.

Beside the view store of a store elsewhere lies `view-<name>.json`, whose name says what was drawn
and with which code, and which lists the files. A build that has lost its cache, or that can't
reach the store, takes the view from there.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portal.config import Remote
from portal.store import StoreError, why_unsafe
from portal.webclient import CONCURRENT, Web

__all__ = ["content_digest", "fetch_view", "is_published", "listing"]

FORMAT = "spatialdata-portal/view/1"
_MOST_LISTED = 4_000_000
"""Bytes of a list of files."""
_PARTS = re.compile(r"[^/\\\x00-\x1f]{1,200}(/[^/\\\x00-\x1f]{1,200}){0,20}")


class _Listing(BaseModel):
    """The files of a published view store, by path with their bytes, and what is told of it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal["spatialdata-portal/view/1"]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    hints: dict[str, Any]
    left_out: tuple[str, ...]
    coordinate_system: str | None
    files: dict[str, int]


def listing(store: Path, told: dict[str, Any]) -> str:
    """The list that is published with the view store at `store`."""
    paths = sorted(p for p in store.rglob("*") if p.is_file())
    files = {p.relative_to(store).as_posix(): p.stat().st_size for p in paths}
    return json.dumps({"format": FORMAT, **told, "files": files}, ensure_ascii=False) + "\n"


def is_published(base_url: str, settings: Remote) -> bool:
    """Whether there is a portal at an address; one request, none where there is no address."""
    if not base_url:
        return False
    web = Web(settings)
    try:
        answer = web.ask("GET", f"{base_url}build.json", most=_MOST_LISTED)
        return answer.status == 200 and isinstance(json.loads(answer.body), dict)
    except (StoreError, ValueError):
        return False
    finally:
        web.close()


def fetch_view(
    base_url: str, id_: str, name: str, folder: Path, max_bytes: int, settings: Remote
) -> bool:
    """Get the view `name` of an artifact into `folder`, as `portal.making` keeps it.

    Whether it is there, whole, and what it says that it is; of all else nothing is left.
    """
    web = Web(settings)
    found = False
    try:
        found = _fetch(web, f"{base_url}data/{id_}/", name, folder, max_bytes)
    except (StoreError, ValidationError):
        pass
    finally:
        web.close()
        if not found:
            shutil.rmtree(folder / "view.zarr", ignore_errors=True)
    return found


def _fetch(web: Web, base: str, name: str, folder: Path, max_bytes: int) -> bool:
    answer = web.ask("GET", f"{base}view-{name}.json", most=_MOST_LISTED)
    if answer.status != 200 or answer.left:
        return False
    listed = _Listing.model_validate_json(answer.body)
    size = sum(listed.files.values())
    if size > max_bytes or min(listed.files.values(), default=-1) < 0:
        return False
    if not all(_PARTS.fullmatch(p) and not why_unsafe(p) for p in listed.files):
        return False
    store = folder / "view.zarr"

    def get(path: str) -> bool:
        found = web.ask("GET", f"{base}view-{listed.digest}.zarr/{quote(path)}", most=max_bytes)
        if found.status != 200 or len(found.body) != listed.files[path]:
            return False
        file = store / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(found.body)
        return True

    with ThreadPoolExecutor(CONCURRENT) as pool:
        whole = all(pool.map(get, listed.files))
    if not whole or content_digest(store) != listed.digest:
        return False
    told = listed.model_dump(exclude={"format", "files"})
    told |= {"bytes": size, "files": len(listed.files)}
    (folder / "view.json").write_text(json.dumps(told), "utf-8")
    return True


def content_digest(folder: Path) -> str:
    """A hash of every file under `folder`, names included."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()[:16]
