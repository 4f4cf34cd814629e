"""Commands that are killed or halted on their way, a portal in two versions, and what must hold of
a site whatever happens."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from portal.build import build_site
from portal.config import load_config
from portal.linkcheck import Links
from tests.conftest import ROOT

EPOCH = "1700000000"
"""The time that every build is told, so that the same input makes the same bytes."""

CURATORS = ("site_config.yaml", "data_manifest", "stores")
"""What is the curator's: no build may change any of it."""

_PATIENCE = 120.0
"""Seconds after which a command will not show any more what it was asked to."""


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content; nothing where there is no folder."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def differing(a: Mapping[str, bytes], b: Mapping[str, bytes]) -> list[str]:
    """The names of the files that two trees don't share, which is what a test should say."""
    return sorted(n for n in a.keys() | b.keys() if a.get(n) != b.get(n))


# -- a portal in two versions --------------------------------------------------------------------


def write_portal(root: Path, version: int, stores: Path) -> None:
    """What a curator writes: 24 entries without a store, and as many with one as `version` says.

    In version 2 one entry is new, one is gone, one has another title, and one store came.
    """
    for name in CURATORS[1:]:
        shutil.rmtree(root / name, ignore_errors=True)
    manifest = root / "data_manifest"
    manifest.mkdir(parents=True)
    (root / "site_config.yaml").write_text("title: Small\ndata: {publish: copy}\n")
    for i in range(version, version + 24):
        title = f"Section {i}, again" if i == 5 * version - 5 else f"Section {i}"
        (manifest / f"section-{i}.yaml").write_text(
            f"title: {title}\nmetadata: {{tissue: brain, technology: Visium, organism: mouse}}\n"
        )
    for name in ("ihc-stain-maxima", "ihc-spots")[:version]:
        shutil.copytree(stores / f"{name}.zarr", root / "stores" / f"{name}.zarr")
        (manifest / f"{name}.yaml").write_text(f"title: {name}\nsource: ../stores/{name}.zarr\n")


def built(root: Path) -> dict[str, bytes]:
    """Build the portal at `root` in this process; every file of its site."""
    build_site(load_config(root / "site_config.yaml"), root / "site", jobs=1)
    return tree(root / "site")


@dataclass(frozen=True)
class Version:
    """A portal that was built from nothing, and every file of its site."""

    number: int
    root: Path
    site: dict[str, bytes]

    def copy(self, to: Path) -> None:
        """The portal with its cache and its site; files that they share are shared there too."""
        subprocess.run(["cp", "-a", str(self.root), str(to)], check=True)

    def give_products(self, to: Path) -> None:
        """What was made from stores into the cache of another portal; nothing of pages."""
        for folder in (p for p in (self.root / ".portal/cache").iterdir() if p.is_dir()):
            target = to / ".portal" / "cache" / folder.name
            if not target.exists():
                shutil.copytree(folder, target)


def make_version(number: int, root: Path, stores: Path) -> Version:
    """Write one version of the portal into `root` and build it from nothing."""
    write_portal(root, number, stores)
    return Version(number, root, built(root))


# -- what must hold ------------------------------------------------------------------------------


def curators_files(root: Path) -> dict[str, bytes]:
    """What the curator of the portal at `root` has written, stores included."""
    return {n: b for n, b in tree(root).items() if n.partition("/")[0] in CURATORS}


def check_whole(site: Path, *allowed: Mapping[str, bytes]) -> int:
    """The site is one of the `allowed` ones, file by file, and leads nowhere wrong; which one.

    An empty one stands for no site at all.
    """
    found = tree(site)
    which = next((i for i, one in enumerate(allowed) if found == one), None)
    assert which is not None, [differing(found, one)[:5] for one in allowed]
    assert not found or "build.json" in found
    links = Links()
    if found:
        links.read(site)
    assert [str(p) for p in links.broken(found)] == []
    return which


# -- commands ------------------------------------------------------------------------------------


def portal_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "portal", *map(str, arguments)]


class Running:
    """A command on a terminal of its own, where it shows how far it is."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self.said = b""
        self._terminal, its_end = pty.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=its_end,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        )
        os.close(its_end)

    def wait_for(self, words: str) -> None:
        """Until it shows `words`."""
        while words.encode() not in self.said:
            assert self._listen(), f"never shown: {words}\n{self.said.decode(errors='replace')}"

    def kill(self) -> None:
        """End it without warning; what it has started goes on."""
        self._process.kill()
        self._process.wait()

    def halt(self) -> None:
        """Stop it and what it has started where they are."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> int:
        """Let it end; its exit code."""
        os.killpg(self._process.pid, signal.SIGCONT)
        while self._listen():
            pass
        return self._process.wait(_PATIENCE)

    def listen_for(self, seconds: float) -> None:
        """Let it work for a time, or until it ends."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self._listen(left):
            pass

    def _listen(self, seconds: float = _PATIENCE) -> bool:
        """Take in what it shows; False when it is silent for too long, or has ended."""
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        try:
            more = os.read(self._terminal, 1 << 16) if ready else b""
        except OSError:  # nobody is left to show anything
            more = b""
        self.said += more
        return bool(more)

    def close(self) -> None:
        """End it and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)


@contextmanager
def running(words: str, command: list[str], cwd: Path) -> Iterator[Running]:
    """A command that has just shown `words`; at the end of the block nothing of it is left."""
    process = Running(command, cwd)
    try:
        process.wait_for(words)
        yield process
    finally:
        process.close()


@contextmanager
def killed_after(seconds: float, command: list[str], cwd: Path) -> Iterator[None]:
    """A command that was killed after a time; what it had started goes on until the block ends."""
    process = Running(command, cwd)
    try:
        process.listen_for(seconds)
        process.kill()
        yield
    finally:
        process.close()


def may_mount(function: Callable[..., None], *arguments: object) -> None:
    """Call a function with texts in a process of its own, which may mount what it likes and whose
    mounts nobody else sees. Skips the test where the system forbids it."""
    code = (
        f"import sys\nfrom {function.__module__} import {function.__name__}\n"
        f"print('begun', flush=True)\n{function.__name__}(*sys.argv[1:])"
    )
    command = ["unshare", "-rm", sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if "begun" not in done.stdout:
        pytest.skip(f"no mounts of our own here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
