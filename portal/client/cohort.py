"""Artifacts → a folder with their stores: `plan(artifacts)`, then `download(artifacts, dest)`.

A plan says how much will come before anything does; a download leaves a Manifest in the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from portal.client.manifest import Manifest, all_of_them, wanted
from portal.errors import PortalError
from portal.words import count, size

if TYPE_CHECKING:
    from portal.client.artifact import Artifact

__all__ = ["Plan", "Planned", "download", "in_parallel", "plan"]

_AT_ONCE = 8

Elements = str | Iterable[str] | None
T = TypeVar("T")


@dataclass(frozen=True)
class Planned:
    """What fetching one artifact means; `why_not` says why it can't be fetched, else it is empty."""

    id: str
    bytes: int
    files: int
    why_not: str = ""


@dataclass(frozen=True)
class Plan:
    """What a download would fetch, none of which has been fetched yet."""

    artifacts: tuple[Planned, ...]

    @property
    def bytes(self) -> int:
        return sum(a.bytes for a in self.artifacts)

    @property
    def files(self) -> int:
        return sum(a.files for a in self.artifacts)

    @property
    def left_out(self) -> tuple[Planned, ...]:
        """Those that can't be fetched."""
        return tuple(a for a in self.artifacts if a.why_not)

    def __str__(self) -> str:
        lines = [f"{a.id}: {a.why_not or _much(a.bytes, a.files)}" for a in self.artifacts]
        total = f"{count(len(self.artifacts), 'artifact')}: {_much(self.bytes, self.files)}"
        return "\n".join([*lines, total])


def plan(artifacts: Iterable[Artifact], elements: Elements = None) -> Plan:
    """How many bytes and files each artifact would bring, or only `elements` of it."""

    elements = _names(elements)

    def planned(artifact: Artifact) -> Planned:
        try:
            files = wanted(artifact, elements)
        except PortalError as e:
            return Planned(artifact.id, 0, 0, str(e))
        return Planned(artifact.id, files.bytes, len(files.files))

    return Plan(tuple(in_parallel(planned, artifacts)))


def in_parallel(job: Callable[[Artifact], T], artifacts: Iterable[Artifact]) -> list[T]:
    """The results of a job that mostly waits for a server, in order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(job, artifacts))


def _much(bytes_: int, files: int) -> str:
    return f"{size(bytes_)} in {count(files, 'file')}"


def _names(elements: Elements) -> Sequence[str] | None:
    if elements is None:
        return None
    return [elements] if isinstance(elements, str) else list(elements)


def download(
    artifacts: Iterable[Artifact],
    dest: str | Path,
    elements: Elements = None,
    *,
    progress: bool = True,
) -> Manifest:
    """Fetch the stores of artifacts into the folder `dest`, as `<id>.zarr`, each whole or not at all.

    What is there already, and still what its portal publishes, is not fetched again; what was cut
    off goes on. Raises PortalError, after all others have come, naming those that could not be had.
    """
    folder = Path(dest).expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest.of(folder)
    chosen = {a.id: a for a in artifacts}
    elements = _names(elements)

    def fetch(id_: str) -> None:
        files = wanted(chosen[id_], elements)
        had = manifest.artifacts.get(id_)
        if not (had and had.digest == files.digest and manifest.path(id_).is_dir()):
            manifest.fetch(chosen[id_], files, progress=progress)

    all_of_them(fetch, chosen)
    return manifest
