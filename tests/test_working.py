"""Work in processes beside this one, and on a cluster: whoever dies, nothing hangs or is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import working
from portal.build import build_site
from portal.config import load_config
from portal.errors import BuildError, UsageError
from portal.working import Crew, Lost, processors, room
from tests import workingkit as kit
from tests.publishkit import free_ports

ROOT = Path(__file__).parent.parent


@pytest.fixture
def crew() -> Iterator[Crew]:
    with Crew(2) as found:
        yield found


class TestProcesses:
    def test_every_item_is_answered_by_somebody_else(self, crew: Crew) -> None:
        found = dict(crew.each(kit.where, range(6)))
        assert sorted(found) == list(range(6))
        pids = {pid for pid, _ in found.values()}
        assert len(pids) == 2
        assert os.getpid() not in pids

    def test_they_start_without_what_draws(self, crew: Crew) -> None:
        assert [loaded for _, (_, loaded) in crew.each(kit.where, "a")] == [False]

    def test_one_job_or_little_work_is_done_here(self, crew: Crew) -> None:
        with Crew(1) as alone:
            assert next(alone.each(kit.where, "a"))[1][0] == os.getpid()
        assert next(crew.each(kit.where, "a", here=True))[1][0] == os.getpid()

    def test_items_are_asked_for_when_somebody_is_free(self, crew: Crew) -> None:
        asked = []

        def items() -> Iterator[int]:
            for i in range(9):
                asked.append(i)
                yield i

        answers = crew.each(kit.where, items())
        next(answers)
        assert len(asked) <= 3
        assert len(list(answers)) == 8

    def test_who_dies_once_is_asked_again(self, crew: Crew, tmp_path: Path) -> None:
        marks = [tmp_path / str(i) for i in range(3)]
        assert dict(crew.each(kit.die_once, marks)) == dict.fromkeys(marks, "done")

    def test_who_dies_twice_is_lost_and_the_others_are_not(self, crew: Crew) -> None:
        found = dict(crew.each(kit.die_if_even, range(5)))
        assert {i for i, answer in found.items() if isinstance(answer, Lost)} == {0, 2, 4}
        assert (found[1], found[3]) == (1, 3)
        assert "memory" in found[0].why

    def test_want_of_memory_is_no_end_of_a_build(self, crew: Crew) -> None:
        ((_, answer),) = crew.each(kit.want_memory, "a")
        assert isinstance(answer, Lost)

    def test_what_is_raised_there_is_raised_here(self, crew: Crew) -> None:
        with pytest.raises(BuildError, match="no room"):
            list(crew.each(kit.fail, ["no room"]))
        with pytest.raises(BuildError, match="Unpicklable: odd"):
            list(crew.each(kit.fail_oddly, ["a"]))

    def test_who_has_held_much_is_not_used_again(
        self, crew: Crew, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(working, "_RETIRED", 1)
        found = dict(crew.each(kit.where, range(4)))
        assert len({pid for pid, _ in found.values()}) == 4

    def test_no_processes_are_wrong_use(self) -> None:
        with pytest.raises(UsageError, match="--jobs"):
            Crew(0)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A zombie is waited for by whoever adopts it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_an_end_is_quick_and_leaves_nobody(kind: signal.Signals, tmp_path: Path) -> None:
    """The main script has no guard against being imported: it is not run again."""
    script = tmp_path / "main.py"
    script.write_text(
        "import pathlib, sys\n"
        "from portal.working import Crew\n"
        "from tests.workingkit import sleep\n"
        "with Crew(2) as crew:\n"
        "    list(crew.each(sleep, [pathlib.Path(p) for p in sys.argv[1:]]))\n"
    )
    marks = [tmp_path / "a", tmp_path / "b"]
    process = subprocess.Popen(
        [sys.executable, str(script), *map(str, marks)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    ends = time.monotonic() + 30
    while not all(m.is_file() and m.read_text() for m in marks):
        assert time.monotonic() < ends
        time.sleep(0.05)
    process.send_signal(kind)
    process.wait(5)
    ends = time.monotonic() + 5
    while not all(gone(int(m.read_text())) for m in marks):
        assert time.monotonic() < ends
        time.sleep(0.05)


class TestLimits:
    def test_there_is_a_processor_and_some_memory(self) -> None:
        assert 1 <= processors() <= (os.cpu_count() or 1)
        assert room() > 0

    def test_a_control_group_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        inner = tmp_path / "inner"
        inner.mkdir()
        (inner / "cpu.max").write_text("max 100000\n")
        (tmp_path / "cpu.max").write_text("100000 100000\n")
        (inner / "memory.max").write_text("3000000\n")
        (inner / "memory.current").write_text("1000000\n")
        (tmp_path / "memory.max").write_text("max\n")
        monkeypatch.setattr(working, "_groups", lambda: iter([inner, tmp_path]))
        assert processors() == 1
        assert room() == 2_000_000
        assert Crew().jobs == 1


# a cluster


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_" + words[0], *words[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A dask scheduler and two workers, in processes of their own."""
    pytest.importorskip("distributed", reason="needs the extra `build`")
    (port,) = free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    local = ("--host", "127.0.0.1", "--no-dashboard")
    started = [start("scheduler", *local, "--port", str(port))]
    for name in ("one", "two"):
        folder = ("--local-directory", str(tmp_path / name))
        words = ("--no-nanny", "--nthreads", "1", *local, *folder)
        started.append(start("worker", address, *words))
    yield address, started[1:]
    for process in started:
        process.kill()
        process.wait()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.mark.slow
def test_a_cluster_makes_the_same_site_though_a_worker_is_killed(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("spatialdata", reason="needs the extra `build`")
    from tests import view_stores

    address, workers = cluster
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    root = tmp_path / "portal"
    (root / "data_manifest").mkdir(parents=True)
    (root / "site_config.yaml").write_text("title: Small\ndata: {publish: copy}\n")
    for name in ("spots", "only_points", "rgb", "several_regions"):
        view_stores.write(name, root)
        entry = f"title: {name}\nsource: ../{name}.zarr\n"
        (root / "data_manifest" / f"{name}.yaml").write_text(entry)
    config = load_config(root / "site_config.yaml")
    shown = []

    def kill_one(what: str, done: int, total: int) -> None:
        if what == "Making views and pictures" and done and not shown:
            shown.append((done, total))
            workers[0].send_signal(signal.SIGKILL)

    spread = build_site(config, root / "site", dask=address, progress=kill_one)
    assert shown == [(1, 4)]
    assert workers[0].wait(5) == -signal.SIGKILL
    assert workers[1].poll() is None
    assert not [p for p in spread.problems if p.code.endswith("-failed")]
    far = tree(root / "site")
    assert sum(n.endswith("vitessce.json") for n in far) == 4
    for left in [root / ".portal", *root.glob("site"), *root.glob(".site*")]:
        subprocess.run(["rm", "-rf", str(left)], check=True)
    build_site(config, root / "site", jobs=1)
    near = tree(root / "site")
    assert near.keys() == far.keys()
    assert [n for n in near if near[n] != far[n]] == []


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_ANSWERS", 0.5)
    pytest.importorskip("distributed", reason="needs the extra `build`")
    (port,) = free_ports(1)
    with pytest.raises(UsageError, match="No dask scheduler answers"):
        Crew(dask=f"tcp://127.0.0.1:{port}")
