"""Record → the files of its store: `store_files(record, source) -> StoreFiles`.

A portal that publishes a copy lists it in files.json, each file with its bytes and sha256; a
bucket can be listed; a zip is one file. A folder at a web address can be none of these. Lists
come from elsewhere, so every path in them is checked to stay inside the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from portal.client.source import Damaged, NotThere, Source
from portal.errors import PortalError, UsageError, did_you_mean
from portal.record import PublishedCopy, Record
from portal.store import METADATA_NAMES, why_unsafe

__all__ = [
    "KINDS",
    "NoFiles",
    "StoreFile",
    "StoreFiles",
    "chosen_of",
    "elements_of",
    "store_files",
    "unfit",
]

KINDS = ("images", "labels", "points", "shapes", "tables", "table")
"""Groups of a store that elements lie in; `table` is that of old ones."""
_FORMAT = "spatialdata-portal/files/1"


class NoFiles(PortalError):
    """The files of the store can't be listed, so it can't be fetched."""


@dataclass(frozen=True)
class StoreFile:
    """One file: its path inside the store, where it lies below the source, bytes, sha256 in hex,
    and what changes with it where there is no sha256."""

    path: str
    at: str
    bytes: int
    sha256: str | None = None
    mark: str = ""


@dataclass(frozen=True)
class StoreFiles:
    """Every file of the store of artifact `id`, and the source that they lie in."""

    id: str
    source: Source
    files: tuple[StoreFile, ...]
    packed: bool = False
    """Whether it is one zip, whose path is its name."""
    elements: tuple[str, ...] | None = None
    """Which elements these are the files of; None where of all."""

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files)

    @property
    def digest(self) -> str:
        """Hex; changes with the name or the content of any file."""
        digest = hashlib.sha256()
        for f in self.files:
            digest.update(f"{f.path}\0{f.bytes}\0{f.sha256 or f.mark}\n".encode())
        return digest.hexdigest()

    def only(self, elements: Iterable[str]) -> StoreFiles:
        """The files of some elements, named `table` or `tables/table`, or of a kind: `tables`.

        The metadata of their groups come along. Raises UsageError for a name that is none.
        """
        if self.packed:
            return self
        chosen = chosen_of(elements_of(f.path for f in self.files), elements)
        groups = {"", *(e.partition("/")[0] for e in chosen)}

        def wanted(path: str) -> bool:
            parent, _, name = path.rpartition("/")
            if parent in groups:
                return name in METADATA_NAMES
            return "/".join(path.split("/", 2)[:2]) in chosen

        files = tuple(f for f in self.files if wanted(f.path))
        return replace(self, files=files, elements=tuple(sorted(chosen)))


def elements_of(paths: Iterable[str]) -> list[str]:
    """The elements that files belong to, as `kind/name`, in order."""
    parts = (path.split("/") for path in paths)
    found = {"/".join(p[:2]) for p in parts if len(p) > 2 and p[0] in KINDS}
    return sorted(found)


def chosen_of(known: Sequence[str], wanted: Iterable[str]) -> set[str]:
    if isinstance(wanted, str):
        wanted = [wanted]
    chosen: set[str] = set()
    for name in wanted:
        found = {e for e in known if name in (e, *e.split("/", 1))}
        if not found:
            names = {e.partition("/")[2] for e in known}
            raise UsageError(f"There is no element {name!r}. {did_you_mean(name, names)}".strip())
        chosen |= found
    if not chosen:
        raise UsageError("No element is named.")
    return chosen


def store_files(record: Record, source: Source) -> StoreFiles:
    """Every file of the store of `record`, which was read from `source`.

    Raises NoFiles where nobody can list them, Damaged where the list can't be right.
    """
    if record.status in ("withdrawn", "announced"):
        why = f": {record.reason}" if record.reason else ""
        raise NoFiles(f"The artifact {record.id} is {record.status}{why}.")
    copy = record.products.copy_
    if copy is not None:
        return _published(record.id, copy, source)
    if record.url is None:
        raise NoFiles(
            f"The portal neither publishes the store of {record.id} nor says where it is."
        )
    if urlsplit(record.url).path.lower().endswith(".zip"):
        return _zip_elsewhere(record.id, record.url, source)
    return _listed(record.id, record.url, source)


class _Listed(BaseModel):
    path: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _FilesJson(BaseModel):
    format: str
    store: Annotated[str, Field(pattern=r"^[^/\\]+\.zarr(\.zip)?$")]
    bytes: int
    files: list[_Listed]


def _published(id_: str, copy: PublishedCopy, source: Source) -> StoreFiles:
    """The files of the portal's own copy, as its files.json has them."""
    where = source.address(copy.files_json)
    try:
        told = _FilesJson.model_validate_json(source.read(copy.files_json))
    except ValidationError as e:
        raise Damaged(f"{where} is no list of files: {e.errors()[0]['msg']}.") from None
    folder = copy.files_json.rpartition("/")[0]
    if told.format != _FORMAT or copy.store != f"{folder}/{told.store}":
        raise Damaged(f"{where} is not the list of {copy.store} that this version can read.")
    packed = told.store.endswith(".zip")
    beginning = "" if packed else f"{told.store}/"
    if fault := _fault(told, beginning):
        raise Damaged(f"{where} can't be right: {fault}. Tell those who run the portal.")
    files = (
        StoreFile(f.path.removeprefix(beginning), f"{folder}/{f.path}", f.bytes, f.sha256)
        for f in told.files
    )
    return StoreFiles(id_, source, tuple(sorted(files, key=lambda f: f.path)), packed)


def _fault(told: _FilesJson, beginning: str) -> str:
    """What is wrong with a list of files, in words."""
    paths = {f.path for f in told.files}
    if not beginning and [f.path for f in told.files] != [told.store]:
        return "a zip is one file"
    if len(paths) != len(told.files):
        return "a file is listed twice"
    if outside := [path for path in paths if not path.startswith(beginning)]:
        return f"{min(outside)[:100]!r} lies outside the store"
    if told.bytes != sum(f.bytes for f in told.files):
        return "the bytes of the files are not their sum"
    return unfit(paths)


def unfit(paths: Set[str]) -> str:
    """Why files of these names can't be kept below one folder, in words."""
    for path in sorted(paths):
        if why := why_unsafe(path) or ("" if path.isprintable() else "can't be printed"):
            return f"{path[:100]!r} {why}"
    if both := paths & {str(parent) for path in paths for parent in PurePosixPath(path).parents}:
        return f"{min(both)[:100]!r} is both a file and a folder"
    return ""


def _elsewhere(url: str, source: Source) -> tuple[Source, str]:
    """The folder of a file at an address that a record names, and the file's name."""
    from portal.client.remotesource import RemoteSource

    parts = urlsplit(url)
    folder, _, name = parts.path.rstrip("/").rpartition("/")
    if parts.scheme not in ("http", "https", "s3", "gs", "az") or "@" in parts.netloc:
        raise NoFiles(f"Its store is at {url[:200]}, which is no address to fetch from.")
    query = f"?{parts.query}" if parts.query else ""
    root = f"{parts.scheme}://{parts.netloc}{folder}"
    return RemoteSource(root, allow_private=source.allow_private, query=query), name


def _zip_elsewhere(id_: str, url: str, source: Source) -> StoreFiles:
    folder, name = _elsewhere(url, source)
    size, mark = folder.stat(name)
    return StoreFiles(id_, folder, (StoreFile(name, name, size, mark=mark),), packed=True)


def _listed(id_: str, url: str, source: Source) -> StoreFiles:
    """The files below an address, where it can be asked what there is."""
    folder, name = _elsewhere(url, source)
    if folder.root.startswith(("http:", "https:")):
        raise NoFiles(
            f"The store of {id_} is a folder at {url}, where no list of its files is: it can't be "
            "fetched by itself. What needs no download: artifact.open() reads its group, a table "
            "or one level of an image as far as they are used. To have it whole, fetch the folder "
            "by the means of that server, then spatialdata.read_zarr(folder)."
        )
    from portal.client.remotesource import RemoteSource

    root = RemoteSource(f"{folder.root}/{name}", allow_private=source.allow_private)
    listed = root.listing()
    if listed is None:
        raise NoFiles(f"The bucket of {url} may not be listed, so the store can't be fetched.")
    if not listed:
        raise NotThere(f"There is nothing at {url}.")
    folders = {path.rpartition("/")[0] for path in listed}
    files = tuple(
        StoreFile(path, path, size, mark=mark)
        for path, (size, mark) in sorted(listed.items())
        if size or path not in folders  # some note a folder as an empty file
    )
    if fault := unfit({f.path for f in files}):
        raise Damaged(f"The store at {url} can't be kept: {fault}.")
    return StoreFiles(id_, root, files)
