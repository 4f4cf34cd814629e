"""A store elsewhere → a folder that has of it what a view reads. One verb: `open_near`.

The folder gets the metadata of all elements, the columns of tables, points and shapes that a
view uses, and the pixels of a level when they are asked for: what spatialdata opens is then a
local store like any other. Nothing is drawn of a store that is not the one that was scanned.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from portal.config import Remote
from portal.errors import is_machine_fault
from portal.facts import Column, ElementFacts, StoreFacts
from portal.remote import RemoteFiles, open_remote
from portal.remoteweb import WebPage
from portal.scan_nodes import Node, parse_node
from portal.store import METADATA_NAMES, RemoteFault, StoreError, reason
from portal.viewtable import may_be_embedding
from portal.webclient import CONCURRENT

__all__ = ["MOST_VALUES", "Near", "open_near"]

MOST_BYTES = 1_000_000_000
"""What is read of one store, all in all."""
MOST_VALUES = 500_000_000
"""What is read of an image, all its levels together, or of a table."""
_TIMES = 5
"""A view may take so many times as long as a scan: it reads the data too."""
_MOST_CHUNKS = 200_000
"""Of one array."""
_LOOKED_FOR = 256
"""Chunks of a level that are looked for to know whether it has any."""
_KINDS = ("images", "labels", "points", "shapes", "tables", "table")
_UNUSED = ("layers", "obsp", "varm", "varp", "raw")
"""Parts of a table that no view shows."""
_TOO_LARGE = "is too large to be read from where it lies and is left out."


@contextmanager
def open_near(address: str, facts: StoreFacts, folder: Path, settings: Remote) -> Iterator[Near]:
    """Make `folder` of the store at `address`, of which `facts` are known from its scan.

    Raises StoreError, by cause: `scan-drift` where the store is another than was scanned.
    """
    longer = settings.model_copy(update={"total_time": settings.total_time * _TIMES})
    with open_remote(address, limit=MOST_BYTES, settings=longer) as files:
        assert isinstance(files, RemoteFiles)
        if files.fingerprint != facts.fingerprint:
            raise StoreError("scan-drift", "The store has changed since its scan")
        yield Near(files, folder, facts)
        if files.changed():
            raise StoreError("remote-changed", "The store changed while it was drawn")


class Near:
    """The folder of a store elsewhere.

    `facts` are those of the scan; where an image has not one stored chunk, which a scan over
    http can't notice, they say so. `left_out` are elements that are not there, and why; `notes`
    are sentences on what of others is not there.
    """

    def __init__(self, files: RemoteFiles, folder: Path, facts: StoreFacts):
        self.folder = folder
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        self._files = files
        self._nodes: dict[str, Node] = {}
        self._here: set[str] = set()
        self._hides = False
        """Whether the server answers 403 where it has nothing, as those that may not list do."""
        self._read_nodes()
        unused = self._unused(facts)
        self._write_metadata(unused)
        self._fetch_arrays(facts, unused)
        for element in (*facts.of("points"), *facts.of("shapes")):
            self._fetch_columns(element)
        self.facts = facts.model_copy(update={"elements": tuple(self._seen(facts))})

    def bring(self, element: str, level: int) -> None:
        """Have the pixels of a level of an image or labels, as far as there are any.

        Raises StoreError.
        """
        path = self._levels(element)[level]
        if path not in self._here:
            self._fetch(self._chunks(path))
            self._here.add(path)

    # metadata

    def _read_nodes(self) -> None:
        for folder in self._files.walk():
            path = folder.path
            prefix = f"{path}/" if path else ""
            raw: dict[str, Any] = {}
            for file in folder.files:
                if file.name in METADATA_NAMES and not file.name.endswith("zmetadata"):
                    raw[file.name] = self._files.read(prefix + file.name)
            try:
                node = parse_node(path, {name: json.loads(body) for name, body in raw.items()})
            except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
                continue  # the scan has told of it
            if node is not None:
                self._nodes[path] = node

    def _write_metadata(self, unused: Callable[[str], bool]) -> None:
        """Of all nodes that are used; those that list others list only what is there."""
        for path, node in self._nodes.items():
            if unused(path) or (path and path.partition("/")[0] not in _KINDS):
                continue
            order = node.attributes.get("column-order")
            if isinstance(order, list):
                node.attributes["column-order"] = [n for n in order if not unused(f"{path}/{n}")]
            documents = {"zarr.json": node.meta} if node.zarr_format == 3 else node.meta
            for name, document in documents.items():
                document.pop("consolidated_metadata", None)
                self._write(f"{path}/{name}" if path else name, json.dumps(document).encode())

    def _unused(self, facts: StoreFacts) -> Callable[[str], bool]:
        """Tells the nodes of tables that no view reads."""
        tables = {f"{t.path}/": self._unused_parts(t) for t in facts.of("tables")}

        def unused(path: str) -> bool:
            for prefix, parts in tables.items():
                if path.startswith(prefix):
                    top, _, rest = path.removeprefix(prefix).partition("/")
                    second = rest.partition("/")[0]
                    if top == "uns":
                        return second not in ("", "spatialdata_attrs")
                    return top in parts or f"{top}/{second}" in parts
            return False

        return unused

    def _unused_parts(self, table: ElementFacts) -> set[str]:
        keys = {table.region_key, table.instance_key, "highly_variable"}

        def numbers(columns: Iterable[Column]) -> Iterator[str]:
            return (c.name for c in columns if c.dtype.startswith("float") and c.name not in keys)

        parts = {*_UNUSED}
        parts |= {f"obs/{name}" for name in numbers(table.obs)}
        parts |= {f"var/{name}" for name in numbers(table.var)}
        parts |= {
            f"obsm/{m.name}"
            for m in table.obsm
            if m.shape and len(m.shape) == 2 and not may_be_embedding(m.name, m.shape[1])
        }
        values = sum(
            math.prod(node.array.shape)
            for path, node in self._nodes.items()
            if node.array and f"{path}/".startswith(f"{table.path}/X/")
        )
        if values > MOST_VALUES:
            parts.add("X")
            self.notes.append(f"The values of {table.name} are too many to be read.")
        return parts

    # content

    def _fetch_arrays(self, facts: StoreFacts, unused: Callable[[str], bool]) -> None:
        """All of tables that is used, and of shapes in the format that has them as arrays."""
        inside = tuple(f"{e.path}/" for e in (*facts.of("tables"), *facts.of("shapes")))
        arrays = [p for p in self._nodes if p.startswith(inside) and not unused(p)]
        self._fetch(chunk for path in arrays for chunk in self._chunks(path))

    def _fetch_columns(self, element: ElementFacts) -> None:
        """The columns of the Parquet files of points or shapes that a view reads."""
        paths = [
            f"{folder.path}/{file.name}"
            for folder in self._files.walk()
            for file in folder.files
            if f"{folder.path}/".startswith(f"{element.path}/") and file.name.endswith(".parquet")
        ]
        try:
            with ThreadPoolExecutor(CONCURRENT) as pool:
                list(pool.map(lambda path: self._fetch_file(path, element), paths))
        except _TooLarge:
            self.left_out[element.path] = _TOO_LARGE

    def _fetch_file(self, path: str, element: ElementFacts) -> None:
        import pyarrow as pa

        try:
            self._copy_columns(path, element)
        except StoreError:
            raise
        except (OSError, pa.ArrowException) as error:
            if is_machine_fault(error):
                raise
            (self.folder / path).unlink(missing_ok=True)
            self._fetch([path])  # a server without ranges, or no Parquet: then the whole

    def _copy_columns(self, path: str, element: ElementFacts) -> None:
        """A Parquet file with some of the columns. Raises _TooLarge, OSError, ArrowException."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        size = self._files.size(path) or 0
        footer = pq.read_metadata(io.BytesIO(self._footer(path, size)))
        names = _columns(footer.schema.to_arrow_schema(), element)
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
        columns = [g.column(i) for g in groups for i in range(g.num_columns)]
        used = [c for c in columns if c.path_in_schema.partition(".")[0] in names]
        if sum(c.total_compressed_size for c in used) > MOST_BYTES // 2:
            raise _TooLarge
        source = pq.ParquetFile(_Ranges(self._files, path, size), metadata=footer)
        whole = source.schema_arrow
        # What is said of an index, which points do not need, would be missed there.
        kept = whole.metadata if element.kind == "shapes" else None
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema([whole.field(name) for name in names], kept)
        with source, pq.ParquetWriter(target, schema) as writer:
            for i in range(source.num_row_groups):
                writer.write_table(source.read_row_group(i, columns=names))

    def _footer(self, path: str, size: int) -> bytes:
        end = self._files.read_range(path, max(0, size - 8), min(8, size))
        length = int.from_bytes(end[:4], "little") + 8
        if length > size:
            raise OSError("it does not end as Parquet does")
        return b"PAR1" + self._files.read_range(path, size - length, length)

    # pixels

    def _levels(self, element: str) -> list[str]:
        """The arrays of an image or labels, the finest first."""
        attributes = self._nodes[element].attributes
        ome: Any = attributes.get("ome")
        multiscales = (ome if isinstance(ome, dict) else attributes)["multiscales"]
        return [f"{element}/{dataset['path']}" for dataset in multiscales[0]["datasets"]]

    def _seen(self, facts: StoreFacts) -> Iterator[ElementFacts]:
        """The elements; images without any chunk say so."""
        for element in facts.elements:
            unknown = any(level.chunks_stored is None for level in element.levels)
            if not unknown or any(map(self._has_chunks, reversed(self._levels(element.path)))):
                yield element
            else:
                empty = [lv.model_copy(update={"chunks_stored": 0}) for lv in element.levels]
                yield element.model_copy(update={"levels": tuple(empty)})

    def _has_chunks(self, path: str) -> bool:
        """Whether one of a number of chunks is there; where there may be too many, nobody looks."""
        array = self._nodes[path].array if path in self._nodes else None
        if array is None or array.expected > _MOST_CHUNKS:
            return array is not None
        chunks = list(self._chunks(path))
        some = chunks[:: max(1, len(chunks) // _LOOKED_FOR)]
        return any(self._fetch(some[i : i + CONCURRENT]) for i in range(0, len(some), CONCURRENT))

    def _chunks(self, path: str) -> Iterator[str]:
        """The files of an array; where nothing is listed, those that there may be."""
        array = self._nodes[path].array if path in self._nodes else None
        if array is None:
            return
        if array.expected > _MOST_CHUNKS:
            what = f"{path} has {array.expected:,} chunks; {_MOST_CHUNKS:,} may be read"
            raise StoreError("scan-limit", what)
        for index in itertools.product(*map(range, array.counts)):
            chunk = f"{path}/{array.key(index)}"
            if not self._files.complete or self._files.size(chunk) is not None:
                yield chunk

    # files

    def _fetch(self, paths: Iterable[str]) -> int:
        """Get whole files, many at a time, past those that are not there; how many there were.

        Raises StoreError.
        """
        refused = []

        def get(path: str) -> bool:
            if (self.folder / path).exists():
                return True
            try:
                self._write(path, self._whole(path))
            except (FileNotFoundError, WebPage):
                return False
            except PermissionError:
                refused.append(path)
                return False
            return True

        with ThreadPoolExecutor(CONCURRENT) as pool:
            try:
                found = sum(pool.map(get, paths))
            except OSError as error:
                if isinstance(error, StoreError) or is_machine_fault(error):
                    raise
                raise RemoteFault("remote-fault", f"It can't be read: {reason(error)}") from None
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        if refused and not self._hides:
            self._hides = self._refuses_what_is_absent(refused[0])
            if not self._hides:
                raise StoreError("remote-refused", f"The server refuses {refused[0]}")
        return found

    def _refuses_what_is_absent(self, path: str) -> bool:
        root = "zarr.json" if self._nodes[""].zarr_format == 3 else ".zgroup"
        try:
            self._whole(root)  # who has been shut out gets nothing any more
        except OSError:
            return False
        try:
            self._whole(f"{path}-none")
        except PermissionError:
            return True
        except OSError:
            pass
        return False

    def _whole(self, path: str) -> bytes:
        """A file that is not kept: there may be many."""
        return self._files.fetch(path)

    def _write(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


class _TooLarge(Exception):
    """The columns of a file are more than is read."""


class _Ranges(io.RawIOBase):
    """A file elsewhere as pyarrow reads it: by parts."""

    def __init__(self, files: RemoteFiles, path: str, size: int):
        self._files, self._path, self._size = files, path, size
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        length = left if size < 0 else min(size, left)
        body = self._files.read_range(self._path, self._at, length) if length else b""
        self._at += len(body)
        return body

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _columns(schema: Any, element: ElementFacts) -> list[str]:
    """The columns of points or shapes that a view reads."""
    if element.kind == "points":
        wanted = ["x", "y", element.feature_key]
    else:
        geo, pandas = (_said(schema, key) for key in (b"geo", b"pandas"))
        index = pandas.get("index_columns") or ()
        wanted = [geo.get("primary_column", "geometry"), "radius", *index]
    return [name for name in schema.names if name in wanted]


def _said(schema: Any, key: bytes) -> dict[str, Any]:
    """JSON in the metadata of a Parquet file."""
    try:
        value = json.loads((schema.metadata or {})[key])
    except (KeyError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
