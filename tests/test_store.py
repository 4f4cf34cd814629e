"""Reading the files of a store, above all of one that means harm."""

from __future__ import annotations

import os
import re
import struct
import zipfile
from pathlib import Path

import pytest

from portal.store import File, Files, FolderFiles, Odd, ReadLimit, StoreError, ZipFiles, open_files
from tests.stores import sound, zipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "store.zarr"
    (root / "b/inner").mkdir(parents=True)
    (root / "a").mkdir()
    (root / "b/0.0").write_bytes(b"chunk")
    (root / "b/zarr.json").write_bytes(b"{}")
    (root / "b/inner/x").write_bytes(b"12")
    (root / "a/file").write_bytes(b"hello")
    (root / "zarr.json").write_bytes(b"{}")
    return root


ORDER = [
    ("", ["zarr.json"]),
    ("a", ["file"]),
    ("b", ["zarr.json", "0.0"]),
    ("b/inner", ["x"]),
]


def walked(files: Files) -> list[tuple[str, list[str]]]:
    return [(folder.path, [f.name for f in folder.files]) for folder in files.walk()]


def odd_in(files: Files) -> dict[str, str]:
    return {odd.path: odd.kind for folder in files.walk() for odd in folder.odd}


def test_a_walk_gives_each_folder_its_metadata_first(folder):
    assert walked(open_files(folder, limit=100)) == ORDER


@pytest.mark.parametrize("top", ["", "store.zarr/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_walked_and_read_as_its_folder_is(folder, tmp_path, top, method):
    with open_files(zipped(folder, tmp_path / "s.zarr.zip", top, method), limit=100) as files:
        assert isinstance(files, ZipFiles)
        assert walked(files) == ORDER
        assert files.read("a/file") == b"hello"
        assert files.read_range("a/file", 1, 3) == b"ell"
        assert files.size("a/file") == 5
        assert files.size("a") is None
        assert files.name == "s.zarr"


def test_the_walk_knows_sizes_and_stamps(folder, tmp_path):
    def file_in(path: Path) -> File:
        with open_files(path, limit=0) as files:
            return next(f for f in files.walk() if f.path == "a").files[0]

    before, zipped_before = file_in(folder), file_in(zipped(folder, tmp_path / "s.zip"))
    assert before.size == zipped_before.size == 5
    (folder / "a/file").write_bytes(b"hallo")
    os.utime(folder / "a/file", ns=(1, before.stamp + 1))
    assert file_in(folder).stamp != before.stamp
    assert file_in(zipped(folder, tmp_path / "s.zip")).stamp != zipped_before.stamp


def test_a_member_of_a_zip_may_have_no_date(tmp_path):
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("zarr.json"), "{}")
    path.write_bytes(path.read_bytes().replace(struct.pack("<H", 33), b"\0\0"))  # 1980-01-01
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].date_time[:3] == (1980, 0, 0)
    assert walked(open_files(path, limit=100)) == [("", ["zarr.json"])]


def test_reads_are_counted_and_stop_at_the_limit(folder):
    files = open_files(folder, limit=7)
    assert files.read("a/file") == b"hello"
    assert files.bytes_read == 5
    with pytest.raises(ReadLimit, match=r"b/0\.0"):
        files.read("b/0.0")
    assert files.bytes_read == 5
    assert files.read("b/inner/x") == b"12"


def test_a_range_of_a_compressed_member_costs_what_is_decompressed(folder, tmp_path):
    path = zipped(folder, tmp_path / "s.zip", method=zipfile.ZIP_DEFLATED)
    files = open_files(path, limit=100)
    files.read_range("a/file", 3, 2)
    assert files.bytes_read == 5


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    bomb = tmp_path / "bomb.zarr.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", b" " * 50_000_000)
    files = open_files(bomb, limit=1_000_000)
    with pytest.raises(ReadLimit):
        files.read("zarr.json")
    with pytest.raises(ReadLimit):
        files.read_range("zarr.json", 49_000_000, 8)


@pytest.mark.parametrize("path", ["../secret", "b/../../secret", "/etc/hostname", "a/../b/0.0"])
def test_paths_that_lead_outside_do_not_exist(folder, path):
    (folder.parent / "secret").write_text("secret")
    files = open_files(folder, limit=1000)
    assert files.size(path) is None
    with pytest.raises(FileNotFoundError):
        files.read(path)
    with pytest.raises(FileNotFoundError):
        files.read_range(path, 0, 3)


def test_links_are_told_and_never_followed(folder):
    secret = folder.parent / "outside"
    secret.mkdir()
    (secret / "file").write_text("secret")
    (folder / "out").symlink_to(secret)
    (folder / "out-file").symlink_to(secret / "file")
    (folder / "within").symlink_to("a")
    (folder / "loop").symlink_to(".")
    (folder / "dangling").symlink_to("nowhere-at-all/../..")
    files = open_files(folder, limit=1000)
    kinds = odd_in(files)
    assert kinds["out"] == kinds["out-file"] == "link-outside"
    assert kinds["within"] == kinds["loop"] == "link-inside"
    assert walked(files) == ORDER
    for path in ("out/file", "within/file"):
        with pytest.raises(FileNotFoundError):
            files.read(path)
    with pytest.raises(OSError, match="out-file"):
        files.read_range("out-file", 0, 3)


def test_a_link_put_in_the_place_of_a_folder_after_the_walk_is_not_followed(folder):
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "x").write_text("secret")
    files = open_files(folder, limit=1000)
    for _ in files.walk():
        pass
    files.read("a/file")
    (folder / "b/inner/x").unlink()
    (folder / "b/inner").rmdir()
    (folder / "b/inner").symlink_to(outside)
    with pytest.raises(FileNotFoundError):
        files.read("b/inner/x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_told_and_does_not_hang_the_scan(folder):
    os.mkfifo(folder / "pipe")
    files = open_files(folder, limit=1000)
    assert odd_in(files) == {"pipe": "special"}
    assert files.size("pipe") is None
    with pytest.raises(FileNotFoundError):
        files.read("pipe")


def test_a_folder_without_permission_is_told(folder, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).rstrip("/").endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    folders = {f.path: f for f in open_files(folder, limit=1000).walk()}
    assert folders["a"].odd == [Odd("a", "unreadable", "Permission denied")]
    assert len(folders["b"].files) == 2


@pytest.fixture
def deep(tmp_path):
    """Far more folders in one another than the system takes in a path."""
    here, root = Path.cwd(), tmp_path / "deep.zarr"
    root.mkdir()
    os.chdir(root)
    depth = 0
    try:
        for depth in range(1500):  # noqa: B007 - as deep as the system allows
            os.mkdir("d")
            os.chdir("d")
        yield root
        # pytest's own cleaning recurses, and would not get to the bottom.
        for _ in range(depth + 1):
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.chdir(here)


def test_a_very_deep_store_is_walked(deep):
    files = open_files(deep, limit=1000)
    assert len(walked(files)) > 1000
    assert set(odd_in(files).values()) <= {"unreadable"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd", "absolute"),
        ("../up", "leads out"),
        ("a/../../up", "leads out"),
        ("a\\..\\up", "leads out"),
        ("C:/windows", "absolute"),
        ("a//b", "empty part"),
    ],
)
def test_members_of_a_zip_that_lead_outside_are_refused(tmp_path, name, why):
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zarr.json", "{}")
        archive.writestr(name, "x")
    files = open_files(path, limit=1000)
    (bad,) = [odd for folder in files.walk() for odd in folder.odd]
    assert bad.kind == "bad"
    assert why in bad.note
    with pytest.raises(FileNotFoundError):
        files.read(name)


def test_links_and_doubles_in_a_zip_are_told(tmp_path):
    path = tmp_path / "s.zip"
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("zarr.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("zarr.json", "[]")
    files = open_files(path, limit=1000)
    assert odd_in(files) == {"link": "link-outside", "zarr.json": "bad"}
    with pytest.raises(FileNotFoundError):
        files.read("link")


def test_a_damaged_member_is_an_error_of_reading(folder, tmp_path):
    path = zipped(folder, tmp_path / "s.zip")
    data = path.read_bytes().replace(b"hello", b"hellx")
    path.write_bytes(data)
    with pytest.raises(OSError, match="broken"):
        open_files(path, limit=1000).read("a/file")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("ftp://example.org/x.zarr", "source-unsupported"),
        ("nowhere.zarr", "source-absent"),
        ("nul\0byte", "source-absent"),
    ],
)
def test_what_cannot_be_opened_says_why(source, code):
    with pytest.raises(StoreError) as caught:
        open_files(source, limit=1000)
    assert caught.value.code == code


def test_what_cannot_be_opened_is_named_without_its_folder(tmp_path):
    os.mkfifo(tmp_path / "fifo.zarr")
    (tmp_path / "locked.zarr.zip").write_bytes(b"x")
    for name in ("fifo.zarr", "nowhere.zarr", "locked.zarr.zip"):
        with pytest.raises(StoreError) as caught:
            open_files(tmp_path / name, limit=1000)
        assert re.match(f"The (source|file) {name} (is|cannot) ", str(caught.value))
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(StoreError) as caught:
        open_files("https://user:secret@example.org/x.zarr", limit=1000)
    assert "secret" not in str(caught.value)


def test_where_links_lead_on_this_machine_is_not_told(folder, tmp_path):
    (tmp_path / "private" / "deeper").mkdir(parents=True)
    (folder / "out").symlink_to(tmp_path / "private" / "deeper")
    (folder / "relative").symlink_to("../private/deeper")
    (folder / "within").symlink_to(folder / "b" / "inner")
    notes = {o.path: o.note for f in open_files(folder, limit=1000).walk() for o in f.odd}
    assert notes == {"out": "to …/deeper", "relative": "to …/deeper", "within": "to b/inner"}


def test_a_file_that_is_no_zip_says_so(tmp_path):
    (tmp_path / "x.zarr.zip").write_text("no")
    with pytest.raises(StoreError) as caught:
        open_files(tmp_path / "x.zarr.zip", limit=1000)
    assert caught.value.code == "zip-broken"


def test_a_link_to_a_store_is_opened_as_the_store(tmp_path):
    maker = sound(tmp_path / "real.zarr")
    (tmp_path / "link.zarr").symlink_to(maker.root)
    files = open_files(tmp_path / "link.zarr", limit=1_000_000)
    assert isinstance(files, FolderFiles)
    assert files.read("zarr.json") == (maker.root / "zarr.json").read_bytes()
