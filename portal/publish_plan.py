"""What a site consists of, what publishing it would do, and in which order.

Files that pages name come before the pages, pages before the lists that lead to them, and
`build.json`, which says that the site is whole, comes last: so whoever looks while a site is
published meets no page whose parts are not there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from portal.errors import UsageError

__all__ = ["Plan", "Progress", "is_hashed", "make_plan", "site_files", "stages"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


@dataclass(frozen=True)
class Plan:
    """Names of files with their bytes, by what becomes of them.

    `kept` are files of a former site that the new one does not have: pages that are still open
    read them. `removed` are those that go.
    """

    added: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    unchanged: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, int]:
        """What has to be written."""
        return {**self.added, **self.changed}


def make_plan(
    files: Mapping[str, int],
    there: Mapping[str, int],
    same: Collection[str],
    delete: bool,
) -> Plan:
    """Compare the site's `files` with those `there`; `same` have the same content in both."""
    left = {n: there[n] for n in sorted(there.keys() - files.keys())}
    return Plan(
        added={n: size for n, size in files.items() if n not in there},
        changed={n: size for n, size in files.items() if n in there and n not in same},
        unchanged={n: size for n, size in files.items() if n in same},
        removed=left if delete else {},
        kept={} if delete else left,
    )


def site_files(site: Path) -> dict[str, int]:
    """Every file of a finished site with its bytes, by its name in the site, in order.

    Raises UsageError where there is no finished site, or something in it that no host can hold.
    """
    if not (site / "build.json").is_file():
        raise UsageError(
            f"{site} is no finished site (it has no build.json). Run `portal build` first."
        )
    found = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        with os.scandir(site / folder) as entries:
            for e in entries:
                name = folder + e.name
                if e.is_symlink() or not name.isprintable() or "\\" in name:
                    raise UsageError(
                        f"{name!r} in {site} is a link, or has a name that not every host can "
                        "hold. Take it out of the site's sources and build again."
                    )
                if e.is_dir():
                    todo.append(f"{name}/")
                else:
                    found[name] = e.stat().st_size
    return dict(sorted(found.items()))


_HASHED = re.compile(
    r"assets/.+[-.]([0-9a-f]{8}|[0-9A-Z]{8})\.[^/]+"
    r"|search/.+-[0-9a-f]{8}\.[^/]+"
    r"|datasets/[^/]+/picture-\d+-[0-9a-f]{8}\.webp"
    r"|data/[^/]+/view-[0-9a-f]{16}\.zarr/.+"
)
_PICTURES = {".avif", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}


def is_hashed(name: str) -> bool:
    """Whether the name is made from the content, so that a browser may keep the file for ever."""
    return _HASHED.fullmatch(name) is not None


def stages(names: Iterable[str]) -> list[list[str]]:
    """The names in the order of publishing: a stage must be whole before the next one begins."""
    found: dict[int, list[str]] = {}
    for name in names:
        found.setdefault(_stage(name), []).append(name)
    return [found[k] for k in sorted(found)]


def _stage(name: str) -> int:
    top, inside, _ = name.partition("/")
    suffix = PurePosixPath(name).suffix
    if name == "build.json":
        return 6
    if top == "browse" or not inside:
        return 5
    if top == "catalog":
        return 4
    if top == "data" and (suffix == ".json" or PurePosixPath(name).name.startswith(".z")):
        return 1  # what a store says of its chunks comes after the chunks
    if top in ("assets", "data", "search") or suffix in _PICTURES:
        return 0
    return 2 if top == "datasets" else 3
