"""Work on stores, spread → results. One verb: `Crew.each(function, items)`.

Drawing a store takes seconds and much memory, so it is done in processes beside this one, which
also keeps spatialdata out of it. A process that dies, for want of memory mostly, takes one item
with it: that is tried once more while nothing else runs, and is `Lost` after that. With the
address of a dask scheduler the same functions run on its workers instead.

What is sent is a function of a module and one argument; what is made lies in files that all see.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import re
import resource
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from portal.errors import BuildError, UsageError
from portal.notes import code_version

__all__ = ["Crew", "Lost", "processors", "room"]

MEMORY = 1_500_000_000
"""Bytes that a process beside this one is reckoned to need."""
_RETIRED = 1_000_000_000
"""A process that has once held so many bytes is not used again: much of it never comes back."""
_ANSWERS = 10.0
"""Seconds that a scheduler may take to answer at first."""
_NO_WORKERS = 60.0
"""Seconds that a cluster may be without workers."""
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    "from portal.working import _serve; _serve(int(sys.argv[2]))"
)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Lost:
    """What comes of an item whose process died twice; `why` is a sentence."""

    why: str


class Crew:
    """Whoever does the work: this process, others beside it, or the workers of a cluster.

    `jobs` is the number of processes, by default as many as processors and memory allow; with
    one, all is done here. `dask` is the address of a scheduler whose workers see the same files.
    Leave it as a context: what still runs is stopped.
    """

    def __init__(self, jobs: int | None = None, dask: str | None = None):
        if jobs is not None and jobs < 1:
            raise UsageError("--jobs is the number of processes: at least 1.")
        self.jobs = jobs or max(1, min(processors(), room() // MEMORY))
        self.cluster = _Cluster(dask) if dask else None
        self._idle: list[_Process] = []
        self._all: list[_Process] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.stop()
        if self.cluster:
            self.cluster.close()

    def each(
        self, function: Callable[[T], R], items: Iterable[T], *, here: bool = False
    ) -> Iterator[tuple[T, R | Lost]]:
        """`function` of each item, in the order in which they are done.

        Items are asked for when somebody is free. With `here` they are worked on in this process,
        unless there is a cluster. What `function` raises is raised here.
        """
        if self.cluster:
            return self.cluster.each(function, items)
        if here or self.jobs == 1:
            return ((item, function(item)) for item in items)
        return self._beside(function, items)

    def _beside(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Iterator[tuple[T, R | Lost]]:
        again: list[T] = []
        for item, answer in self._answers(function, items, self.jobs):
            if isinstance(answer, Lost):
                again.append(item)
            else:
                yield item, answer
        yield from self._answers(function, again, 1)

    def _answers(
        self, function: Callable[[T], R], items: Iterable[T], most: int
    ) -> Iterator[tuple[T, R | Lost]]:
        left = iter(items)
        running: dict[Connection, tuple[_Process, T]] = {}
        while True:
            while len(running) < most:
                try:
                    item = next(left)
                except StopIteration:
                    break
                process = self._idle.pop() if self._idle else self._start()
                process.send(function, item)
                running[process.connection] = process, item
            if not running:
                return
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                process, item = running.pop(connection)
                answer = process.answer()
                if process.peak < _RETIRED and not isinstance(answer, Lost):
                    self._idle.append(process)
                else:
                    process.stop()
                    self._all.remove(process)
                yield item, answer

    def _start(self) -> _Process:
        process = _Process()
        self._all.append(process)
        return process


class _Process:
    """A Python of its own that answers one item after the other.

    Not from multiprocessing, which runs the caller's main script again in each process.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        told = json.dumps(sys.path), str(theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", _START, *told],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us, who then stop it
            )
        self.connection = Connection(ours.detach())
        self.peak = 0
        """Bytes that it has held at most, as far as it has said."""

    def send(self, function: Callable[[Any], Any], item: Any) -> None:
        """Hand it an item; one that has died meanwhile is noticed by its answer."""
        with suppress(OSError):
            self.connection.send_bytes(pickle.dumps((function, item)))

    def answer(self) -> Any:
        """What came of the item, Lost where the process died. Raises what the function raised."""
        try:
            fine, value, self.peak = pickle.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return Lost("The process that worked on it died, perhaps for want of memory.")
        if fine:
            return value
        raise value

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self.connection.close()


def _serve(handle: int) -> None:
    """What a process beside does: answer, until whom it works for is gone."""
    connection = Connection(handle)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                asked.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)  # at once: nobody waits for an answer any more

    threading.Thread(target=listen, daemon=True).start()
    while True:
        function, item = pickle.loads(asked.get())
        connection.send_bytes(_answered(function, item))


def _peak() -> int:
    """The most bytes that this process has held. What `getrusage` says begins with what its parent
    held when it was started."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _answered(function: Callable[[Any], Any], item: Any) -> bytes:
    try:
        fine, value = True, function(item)
    except MemoryError:
        fine, value = True, Lost("There was not enough memory to work on it.")
    except Exception as e:
        e.add_note(traceback.format_exc())
        fine, value = False, e
    peak = _peak()
    try:
        answer = pickle.dumps((fine, value, peak))
        pickle.loads(answer)  # some exceptions go in and never come out
    except Exception:
        answer = pickle.dumps((False, BuildError(f"{type(value).__name__}: {value}"), peak))
    return answer


def _as_here(code: str, function: Callable[[T], R], item: T) -> R:
    """What a worker of a cluster does, if it has the code of who asks."""
    if code_version() != code:
        raise BuildError("A worker of the cluster has another version of the portal.")
    return function(item)


class _Cluster:
    """The workers of a dask scheduler. One that dies is noticed by the scheduler, which gives
    its items to others, a few times."""

    def __init__(self, address: str):
        try:
            from distributed import Client
        except ImportError:
            raise UsageError("--dask needs the extra `build`, which brings distributed.") from None
        self.address = address
        try:
            self._client = Client(address, timeout=_ANSWERS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as e:
            raise UsageError(f"No dask scheduler answers at {address}: {e}") from None

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R | Lost]]:
        """As `Crew.each`; as many items are under way as keep all workers busy."""
        left = iter(items)
        running: dict[Any, T] = {}
        done: queue.Queue[Any] = queue.Queue()
        while True:
            most = 2 * max(1, self._workers())
            while len(running) < most:
                try:
                    item = next(left)
                except StopIteration:
                    break
                future = self._client.submit(_as_here, code_version(), function, item, pure=False)
                running[future] = item
                future.add_done_callback(done.put)
            if not running:
                return
            future = self._next(done)
            yield running.pop(future), self._answer(future)

    def close(self) -> None:
        self._client.close()

    def _workers(self) -> int:
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def _next(self, done: queue.Queue[Any]) -> Any:
        """Wait for an item to be done, as long as there is somebody who does it."""
        ends = time.monotonic() + _NO_WORKERS
        while True:
            try:
                return done.get(timeout=2)
            except queue.Empty:
                if self._client.status != "running":
                    raise BuildError(f"The dask scheduler at {self.address} is gone.") from None
                if self._workers():
                    ends = time.monotonic() + _NO_WORKERS
                elif time.monotonic() > ends:
                    what = f"The dask scheduler at {self.address} has no workers."
                    raise BuildError(what) from None

    def _answer(self, future: Any) -> Any:
        from distributed import CancelledError, KilledWorker

        try:
            return future.result()
        except KilledWorker:
            return Lost("Every worker that worked on it died, perhaps for want of memory.")
        except MemoryError:
            return Lost("There was not enough memory to work on it.")
        except CancelledError:
            raise BuildError(f"The dask scheduler at {self.address} is gone.") from None


def processors() -> int:
    """How many processors this process may use, its control groups' share included."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    shares = [count or 1]
    for group in _groups():
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal():
            shares.append(max(1, round(int(quota) / int(period))))
    return min(shares)


def room() -> int:
    """Bytes of memory that are free for more, as far as the system tells."""
    rooms = [_available()]
    for group in _groups():
        limit, used = _read(group / "memory.max"), _read(group / "memory.current")
        if limit.isdecimal() and used.isdecimal():
            rooms.append(int(limit) - int(used))
    return max(0, min(rooms))


def _available() -> int:
    for line in _read(Path("/proc/meminfo")).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _groups() -> Iterator[Path]:
    """The control group that this process is in, and those around it."""
    top = Path("/sys/fs/cgroup")
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::/"):
            group = top / line[4:]
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
