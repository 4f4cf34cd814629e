"""What befalls builds and publishings: kills, full disks, damaged caches, two at once.

Whatever happens, the site is the old one or the new one, nothing of the curator's has changed,
the message names the cause, and the next build, before which nobody has cleaned up, makes what a
build from nothing makes. `make faults` tries 50 random moments more.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from portal.errors import BuildError, PortalError
from portal.publishing import publish_site
from tests.conftest import ROOT
from tests.faultkit import (
    EPOCH,
    Running,
    Version,
    built,
    check_whole,
    curators_files,
    differing,
    make_version,
    may_mount,
    portal_command,
    running,
    tree,
    write_portal,
)
from tests.publishkit import KEY, SECRET, Bucket, S3Server, index_parts, named, run_s3

Versions = tuple[Version, Version]

MOMENTS = [
    "Reading the manifest",
    "Scanning stores",
    "Making views and pictures",
    "Writing the catalog",
    "Building the shell",
    "Writing pages",
    "Putting the site in place",
]
BUILD = portal_command("build")


@pytest.fixture(autouse=True)
def at_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory, local_stores: Path) -> Versions:
    """The portal before and after some changes, each built from nothing."""
    root = tmp_path_factory.mktemp("versions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        old, new = (make_version(i, root / f"version-{i}", local_stores) for i in (1, 2))
    assert differing(old.site, new.site)
    return old, new


@pytest.fixture
def portal(versions: Versions, tmp_path: Path, local_stores: Path) -> Path:
    """The portal with the site of version 1, the entries of version 2, and all that is made from
    stores in its cache."""
    root = tmp_path / "portal"
    versions[0].copy(root)
    write_portal(root, 2, local_stores)
    versions[1].give_products(root)
    return root


class TestKilledBuilds:
    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("state", ["is new", "has a site"])
    def test_the_site_is_whole_and_the_next_build_mends_all(
        self, versions: Versions, tmp_path: Path, local_stores: Path, state: str, moment: str
    ) -> None:
        root, (old, new) = tmp_path / "portal", versions
        if state == "has a site":
            old.copy(root)
        write_portal(root, 2, local_stores)
        if moment != "Making views and pictures":  # else most of the time would go into them
            new.give_products(root)
        mine, before = curators_files(root), tree(root / "site")
        with running(moment, BUILD, root) as build:
            build.kill()
            assert curators_files(root) == mine
            check_whole(root / "site", before, new.site)
            assert differing(built(root), new.site) == []
            assert curators_files(root) == mine

    def test_killed_again_and_again_nothing_is_mixed(
        self, versions: Versions, portal: Path, local_stores: Path
    ) -> None:
        """What killed builds of two versions leave behind comes into no site."""
        old, new = versions
        for version, moment in (
            (1, "Writing pages"),
            (2, "Putting the site"),
            (1, "Writing pages"),
        ):
            write_portal(portal, version, local_stores)
            with running(moment, BUILD, portal) as build:
                build.kill()
            check_whole(portal / "site", old.site, new.site)
        assert differing(built(portal), old.site) == []


class TestTwoAtOnce:
    def test_a_site_that_is_built_is_neither_built_nor_published(
        self, versions: Versions, portal: Path
    ) -> None:
        old, new = versions
        with running("Scanning stores", BUILD, portal) as build:
            build.halt()
            with pytest.raises(BuildError, match="Another build or publishing is at work on"):
                built(portal)
            with pytest.raises(BuildError, match="A build is at work on"):
                publish_site(portal / "site", str(portal / "web"))
            check_whole(portal / "site", old.site)
            assert build.go_on() == 0
        check_whole(portal / "site", new.site)

    def test_a_site_that_is_published_is_not_built(self, versions: Versions, portal: Path) -> None:
        old, new = versions
        with running("Writing files", portal_command("publish", "web"), portal) as publishing:
            publishing.halt()
            with pytest.raises(BuildError, match="Another build or publishing is at work on"):
                built(portal)
            check_whole(portal / "site", old.site)
            assert publishing.go_on() == 0
        check_whole(portal / "web", old.site)
        assert differing(built(portal), new.site) == []

    def test_two_sites_of_one_portal_are_built_side_by_side(
        self, versions: Versions, portal: Path
    ) -> None:
        """They share the cache, and nothing of the one comes into the other."""
        config = portal / "site_config.yaml"
        other = portal / "other.yaml"
        other.write_text(config.read_text().replace("Small", "Another portal"))
        command = portal_command("build", "--config", other, "--out", "other")
        with running("Building the shell", command, portal) as build:
            build.listen_for(0.4)
            build.halt()
            assert differing(built(portal), versions[1].site) == []
            assert build.go_on() == 0, build.said.decode()
        titles = {"Another portal" in page.decode() for page in pages(tree(portal / "other"))}
        assert titles == {True}


def pages(site: dict[str, bytes]) -> Iterator[bytes]:
    yield from (content for name, content in site.items() if name.endswith(".html"))


# -- the cache -----------------------------------------------------------------------------------


def damage(path: Path, how: str, chance: random.Random) -> None:
    """Do something to a file of the cache. The site may have the same file, and keeps it."""
    content = path.read_bytes()
    if how == "beside it a stray":
        path.with_name("stray").write_text("x")
        return
    path.unlink()
    if how == "gone":
        return
    if how == "a bit flipped":
        at = chance.randrange(len(content))
        content = content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]
    elif how == "cut off":
        content = content[: chance.randrange(len(content))]
    elif how == "other bytes":
        content = chance.randbytes(len(content))
    else:
        content = b""
    path.write_bytes(content)


DAMAGES = ["a bit flipped", "cut off", "empty", "other bytes", "gone", "beside it a stray"]


class TestDamagedCache:
    @pytest.mark.parametrize("round_", [1, 2, 3])
    def test_nothing_of_it_comes_into_the_site(
        self, versions: Versions, portal: Path, round_: int
    ) -> None:
        """One file of each product, of the notes, and of whatever else is kept, is damaged."""
        chance = random.Random(round_)
        kept = sorted((portal / ".portal" / "cache").iterdir())
        for i, one in enumerate(kept):
            files = [one] if one.is_file() else [p for p in sorted(one.rglob("*")) if p.is_file()]
            file = chance.choice([p for p in files if p.stat().st_size])
            damage(file, DAMAGES[(2 * round_ + i) % len(DAMAGES)], chance)
        assert len(kept) > 6
        assert differing(built(portal), versions[1].site) == []
        if round_ == 1:  # and what was mended stays so
            assert differing(built(portal), versions[1].site) == []

    def test_what_another_version_of_the_code_has_made_is_not_used(
        self, versions: Versions, tmp_path: Path, local_stores: Path
    ) -> None:
        """The other version writes another list of files and another header on every page."""
        code = tmp_path / "code"
        shutil.copytree(ROOT / "portal", code / "portal", ignore=shutil.ignore_patterns("client"))
        for name in ("templates", "docs"):
            shutil.copytree(ROOT / name, code / name)
        for name, old, new in (
            ("portal/copying.py", "portal/files/1", "portal/files/0"),
            ("templates/head.html", "<meta", '<meta name="other">\n<meta'),
        ):
            text = (code / name).read_text("utf-8")
            assert old in text
            (code / name).write_text(text.replace(old, new, 1), "utf-8")
        root = tmp_path / "portal"
        write_portal(root, 2, local_stores)
        environment = {**os.environ, "PYTHONPATH": str(code)}
        subprocess.run(BUILD, cwd=root, env=environment, check=True, capture_output=True)
        theirs = tree(root / "site")
        assert b"portal/files/0" in theirs["data/ihc-spots/files.json"]
        assert b'<meta name="other">' in theirs["datasets/ihc-spots/index.html"]
        assert differing(built(root), versions[1].site) == []


# -- the disk ------------------------------------------------------------------------------------


def fill_the_disk(portal: str, disk: str, *sites: str) -> None:
    """Build on a disk that has room for less and less of it; sites are the old and the new one."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=99m", "tmpfs", disk], check=True)
    root, ballast = Path(disk) / "portal", Path(disk) / "ballast"
    subprocess.run(["cp", "-a", portal, str(root)], check=True)
    old, new = (tree(Path(site)) for site in sites)
    mine = curators_files(root)
    for room in (5_000_000, 1_000_000, 200_000, 0):
        ballast.write_bytes(bytes(shutil.disk_usage(disk).free - room))
        try:
            built(root)
            raise AssertionError(f"it fits into {room} bytes")
        except BuildError as e:
            assert "No space left on device" in str(e), e  # noqa: PT017
        check_whole(root / "site", old)
        assert curators_files(root) == mine
        ballast.unlink()
    assert differing(built(root), new) == []


def write_protect(portal: str, *sites: str) -> None:
    """Build where something can't be written to; sites are the old and the new one."""
    old, new = (tree(Path(site)) for site in sites)
    root = Path(portal)
    for part, cause in ((".", "Read-only"), (".portal", "Read-only"), ("site", "it is a mount")):
        folder = str(root / part)
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        try:
            with pytest.raises(PortalError, match=cause):
                built(root)
            check_whole(root / "site", old)
        finally:
            subprocess.run(["umount", folder], check=True)
    assert differing(built(root), new) == []


class TestDisk:
    def test_when_it_is_full_the_old_site_stays(
        self, versions: Versions, portal: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "disk").mkdir()
        sites = [v.root / "site" for v in versions]
        may_mount(fill_the_disk, portal, tmp_path / "disk", *sites)

    def test_when_it_can_t_be_written_to_the_old_site_stays(
        self, versions: Versions, portal: Path
    ) -> None:
        may_mount(write_protect, portal, *(v.root / "site" for v in versions))


# -- random moments: make faults -----------------------------------------------------------------

RUNS = int(os.environ.get("FAULTS_RUNS", "0"))
SEED = os.environ.get("FAULTS_SEED", "0")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Bucket:
    """A prefix of the test's own, and the environment that leads to it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return Bucket(s3, f"faults/{request.node.callspec.id}")


@pytest.fixture(scope="module")
def seconds(
    versions: Versions, s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """How long each kind of work takes where nobody kills it."""
    work = tmp_path_factory.mktemp("seconds")
    shutil.copytree(
        versions[1].root, work / "new", ignore=shutil.ignore_patterns(".portal", "site")
    )
    publish = portal_command("publish", "--site", versions[0].root / "site")
    return {
        "first build": _timed(BUILD, work / "new"),
        "build": _timed(BUILD, work / "new"),
        "publish to a folder": _timed([*publish, "web"], work),
        "publish to S3": _timed([*publish, f"s3://{s3.bucket}/timed"], work, **to_s3(s3)),
    }


def _timed(command: list[str], folder: Path, **environment: str) -> float:
    started = time.monotonic()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **environment}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.monotonic() - started


def to_s3(server: S3Server) -> dict[str, str]:
    """The environment that leads to the server."""
    return {
        "AWS_ENDPOINT_URL": server.address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


def lacking(site: dict[str, bytes]) -> list[tuple[str, str]]:
    """Pages of a site, each with a file that it names and that is not there."""
    folders = {str(parent) for name in site for parent in PurePosixPath(name).parents}
    found = []
    for page in (n for n in site if n.endswith(".html") and n != "404.html"):
        needs = named(page, site[page].decode())
        for index in [n for n in needs if n.startswith("search/facets-") and n in site]:
            needs |= index_parts(site[index])
        found += [(page, n) for n in sorted(needs) if n not in site and n not in folders]
    return found


@contextmanager
def killed_at_random(
    chance: random.Random, seconds: float, command: list[str], cwd: Path
) -> Iterator[None]:
    """A command that was killed at some moment; what it had started goes on until the block ends."""
    process = Running(command, cwd)
    try:
        moment = chance.uniform(0, seconds)
        process.listen_for(moment)
        process.kill()
        print(f"killed after {moment:.2f} s,", end=" ", flush=True)
        yield
    finally:
        process.close()


@pytest.mark.skipif(not RUNS, reason="only `make faults` tries random moments")
@pytest.mark.parametrize("run", range(1, RUNS + 1))
class TestRandomKills:
    """Each run is made from the seed and its number, so that one that failed can be tried again."""

    def test_a_build_or_a_publishing(
        self,
        versions: Versions,
        s3: S3Server,
        seconds: dict[str, float],
        tmp_path: Path,
        local_stores: Path,
        monkeypatch: pytest.MonkeyPatch,
        run: int,
    ) -> None:
        chance = random.Random(f"{SEED} {run}")
        what = chance.choice([*seconds, "build"])
        print(f"\nseed {SEED}, {run}: {what},", end=" ")
        if "build" in what:
            self.builds(what, versions, tmp_path / "portal", local_stores, chance, seconds[what])
        elif what == "publish to S3":
            for name, value in to_s3(s3).items():
                monkeypatch.setenv(name, value)
            self.to_s3(versions, Bucket(s3, f"run-{run}"), chance, seconds[what])
        else:
            self.to_folder(versions, tmp_path / "web", chance, seconds[what])

    def builds(
        self,
        what: str,
        versions: Versions,
        root: Path,
        stores: Path,
        chance: random.Random,
        seconds: float,
    ) -> None:
        old, new = versions
        if what == "build":
            old.copy(root)
        write_portal(root, 2, stores)
        mine = curators_files(root)
        for _ in range(chance.choice([1, 1, 2, 3])):
            before = tree(root / "site")
            with killed_at_random(chance, seconds, BUILD, root):
                assert curators_files(root) == mine
                which = check_whole(root / "site", before, new.site)
                print("the site is the", ("old", "new")[which], "one;", end=" ")
        assert differing(built(root), new.site) == []
        assert curators_files(root) == mine

    def to_folder(
        self, versions: Versions, web: Path, chance: random.Random, seconds: float
    ) -> None:
        old, new = versions
        if chance.random() < 0.7:
            publish_site(old.root / "site", str(web))
        before = tree(web)
        command = portal_command("publish", web, "--site", new.root / "site")
        with killed_at_random(chance, seconds, command, web.parent):
            which = check_whole(web, before, {**before, **new.site})
            print("the site is the", ("old", "new")[which], "one;", end=" ")
            publish_site(new.root / "site", str(web), delete=True)
        check_whole(web, new.site)

    def to_s3(
        self, versions: Versions, bucket: Bucket, chance: random.Random, seconds: float
    ) -> None:
        old, new = versions
        if chance.random() < 0.7:
            publish_site(old.root / "site", bucket.target)
        before = bucket.tree()
        command = portal_command("publish", bucket.target, "--site", new.root / "site")
        with killed_at_random(chance, seconds, command, new.root):
            now = bucket.tree()
            print(f"{len(differing(before, now))} files are new;", end=" ")
            assert lacking(now) == []
            report = publish_site(new.root / "site", bucket.target)
            assert not now.keys() - before.keys() & report.plan.sent.keys()
        assert differing(bucket.tree(), {**before, **new.site}) == []
