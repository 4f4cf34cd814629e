"""Files that lie elsewhere as a zarr store that is only read: `ReadStore(name, read, ...)`.

zarr's own stores ask addresses by other means; here each request has the limits of the portal's,
and a file that is known not to be there is not asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype

from portal.client.source import NotThere

__all__ = ["ReadStore"]


class ReadStore(Store):
    """`read(path, start, length)` gives part of a file, all from `start` where `length` is None,
    and raises NotThere; `size(path)` gives its bytes. `sizes` has every file with its bytes, None
    where nobody can tell what there is."""

    def __init__(
        self,
        name: str,
        read: Callable[[str, int, int | None], bytes],
        size: Callable[[str], int],
        sizes: Mapping[str, int] | None,
    ):
        super().__init__(read_only=True)
        self._name = name
        self._read = read
        self._size = size
        self.sizes = sizes
        self._folders: dict[str, set[str]] = {"": set()}
        for path in sizes or ():
            while path:
                parent, _, own = path.rpartition("/")
                self._folders.setdefault(parent, set()).add(own)
                path = parent

    @property
    def supports_listing(self) -> bool:
        return self.sizes is not None

    @property
    def supports_writes(self) -> bool:
        return False

    @property
    def supports_deletes(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReadStore) and other._name == self._name

    def __repr__(self) -> str:
        return f"ReadStore({self._name!r})"

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if self.sizes is not None and key not in self.sizes:
            return None
        try:
            body = await asyncio.to_thread(self._part, key, byte_range)
        except NotThere:
            return None
        return prototype.buffer.from_bytes(body)

    def _part(self, key: str, wanted: ByteRequest | None) -> bytes:
        if wanted is None:
            return self._read(key, 0, None)
        if isinstance(wanted, RangeByteRequest):
            return self._read(key, wanted.start, wanted.end - wanted.start)
        if isinstance(wanted, OffsetByteRequest):
            return self._read(key, wanted.offset, None)
        size = self._size(key) if self.sizes is None else self.sizes[key]
        return self._read(key, max(0, size - wanted.suffix), None)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        return list(await asyncio.gather(*(self.get(k, prototype, r) for k, r in key_ranges)))

    async def exists(self, key: str) -> bool:
        if self.sizes is not None:
            return key in self.sizes
        try:
            await asyncio.to_thread(self._size, key)
        except NotThere:
            return False
        return True

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()

    async def delete(self, key: str) -> None:
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        for path in self.sizes or ():
            yield path

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for path in self.sizes or ():
            if path.startswith(prefix):
                yield path

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in sorted(self._folders.get(prefix.rstrip("/"), ())):
            yield name

    def __getstate__(self) -> Any:
        raise TypeError("A store that is open over the net can't be sent to another process.")
