"""Where a portal's files come from: folders, web servers, what is kept and what is asked again."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest

from portal.client import remotesource
from portal.client.source import CATALOG, Damaged, NotThere, open_source
from portal.errors import UsageError
from portal.store import RemoteFault
from tests.faultyserver import serving

BIG = 20_000_000  # three pieces


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def site(tmp_path) -> Path:
    folder = tmp_path / "site"
    for path in (CATALOG, "search/facets-36781502.bin", "datasets/a/artifact.json"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    return folder


@pytest.fixture(scope="module")
def big() -> bytes:
    return bytes(range(256)) * (BIG // 256)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_folder_its_catalog_and_an_address_are_the_same_portal(site):
    with serving(site) as server:
        for where in (
            site,
            site / CATALOG,
            server.url,
            server.url + CATALOG,
            f"{server.url}index.html",
        ):
            source = open_source(where)
            assert source.read(source.catalog) == CATALOG.encode()
            assert (
                source.local("datasets/a/artifact.json").read_bytes() == b"datasets/a/artifact.json"
            )
            assert not source.exists("datasets/b/artifact.json")
            assert (
                source.address("a b") == f"{source.root}/{'a%20b' if source.is_remote else 'a b'}"
            )


def test_a_catalog_alone_is_found_under_its_own_name(tmp_path):
    (tmp_path / "mine.parquet").write_bytes(b"p")
    source = open_source(tmp_path / "mine.parquet")
    assert source.read(source.catalog) == b"p"


@pytest.mark.parametrize(
    "where",
    ["nowhere/at/all", "ftp://example.org/", "https://u:p@example.org/", "https://e.org/?x=1"],
)
def test_what_is_no_portal_is_wrong_use(where):
    with pytest.raises(UsageError):
        open_source(where)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../secret", "", "a//b", "a\nb", "a\\b"]
)
def test_a_path_never_leads_out_of_the_site(site, path):
    (site.parent / "secret").write_text("s")
    with serving(site) as server:
        for source in (open_source(site), open_source(server.url)):
            for ask in (source.read, source.exists, source.address, source.stat, source.range):
                with pytest.raises(UsageError):
                    ask(path)
        assert server.seen == []


def test_a_link_out_of_a_folder_is_not_followed(site):
    (site.parent / "secret").write_text("s")
    (site / "link").symlink_to(site.parent / "secret")
    assert not open_source(site).exists("link")


def test_a_kept_file_is_asked_about_once_and_fetched_again_when_it_changed(site):
    with serving(site) as server:
        source = open_source(server.url)
        source.read(CATALOG)
        source.read(CATALOG)
        assert server.seen == [("GET", CATALOG)]
        server.again()
        again = open_source(server.url)
        assert again.read(CATALOG) == again.read(CATALOG) == CATALOG.encode()
        assert server.seen == [("HEAD", CATALOG)]
        (site / CATALOG).write_bytes(b"new")
        assert open_source(server.url).read(CATALOG) == b"new"
        assert source.read(CATALOG) == b"new"  # nobody else's view of the cache is broken


def test_a_hashed_name_is_never_asked_about_again(site):
    path = "search/facets-36781502.bin"
    with serving(site) as server:
        open_source(server.url).read(path)
        server.again()
        assert open_source(server.url).read(path) == path.encode()
        assert server.seen == []


def test_without_marks_a_file_is_fetched_once_a_source(site):
    with serving(site, etags=False) as server:
        for n in (1, 2):
            source = open_source(server.url)
            source.read(CATALOG)
            source.read(CATALOG)
            assert [m for m, _ in server.seen].count("GET") == n


def test_a_damaged_cache_is_mended(site, cache):
    with serving(site) as server:
        kept = open_source(server.url).local(CATALOG)
        assert cache in kept.parents
        kept.write_bytes(b"half")
        assert open_source(server.url).read(CATALOG) == CATALOG.encode()
        for note in cache.rglob("*.json"):
            note.write_text("{")
        assert open_source(server.url).read(CATALOG) == CATALOG.encode()


@pytest.mark.parametrize("options", [{}, {"html_for_404": True}, {"missing": 403}])
def test_whatever_stands_for_absence_is_not_there(site, options):
    with serving(site, **options) as server:
        source = open_source(server.url)
        assert not source.exists("nothing.json")
        with pytest.raises(NotThere, match="nothing"):
            source.read("nothing.json")


def test_a_server_that_fails_for_a_moment_is_asked_again_and_no_server_is_a_fault(site):
    with serving(site, fault=lambda path, n: 503 if n == 1 else None) as server:
        assert open_source(server.url).read(CATALOG) == CATALOG.encode()
    with pytest.raises(RemoteFault):
        open_source(server.url).read("datasets/a/artifact.json")


def test_a_file_without_end_is_given_up(site, monkeypatch):
    monkeypatch.setattr(remotesource, "_MOST", 100_000)
    with serving(site, fault=lambda path, n: "endless") as server, pytest.raises(Damaged):
        open_source(server.url).read(CATALOG)


def test_a_public_portal_leads_to_no_private_address(site, monkeypatch):
    real = socket.getaddrinfo

    def public(host, *more, **options):  # what a public name would give; nothing is sent there
        if host == "portal.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 0))]
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", public)
    assert not open_source("http://portal.example/").allow_private
    with serving(site) as server:
        assert open_source(server.url).allow_private
        with pytest.raises(RemoteFault) as told:
            open_source(server.url, allow_private=False).read(CATALOG)
        assert told.value.code == "remote-private"
        assert server.seen == []


@pytest.mark.parametrize("remote", [False, True])
def test_a_file_is_fetched_in_pieces_and_checked(site, tmp_path, big, remote):
    (site / "big").write_bytes(big)
    with serving(site) as server:
        source = open_source(server.url if remote else site)
        told: list[int] = []
        to = tmp_path / "to" / "big"
        source.fetch("big", to, bytes_=BIG, sha256=sha256(big), progress=told.append)
        assert to.read_bytes() == big
        assert sum(told) == BIG
        assert len(server.seen) == (3 if remote else 0)
        source.fetch("big", to)  # neither size nor hash known
        assert to.read_bytes() == big
        assert os.listdir(to.parent) == ["big"]


def test_a_fetch_goes_on_where_it_was_cut_off(site, tmp_path, big):
    (site / "big").write_bytes(big)
    to = tmp_path / "big"
    with serving(site, fault=lambda path, n: 404 if n == 2 else None) as server:
        source = open_source(server.url)
        with pytest.raises(NotThere):
            source.fetch("big", to, bytes_=BIG, sha256=sha256(big))
        assert not to.exists()
        server.again(fault=lambda path, n: None)
        source.fetch("big", to, bytes_=BIG, sha256=sha256(big))
        assert to.read_bytes() == big
        assert len(server.seen) == 2


def test_the_beginning_of_another_version_is_thrown_away(site, tmp_path, big):
    (site / "big").write_bytes(big)
    (tmp_path / ".big.part").write_bytes(b"other" * 1_000_000)
    told: list[int] = []
    with serving(site) as server:
        open_source(server.url).fetch(
            "big", tmp_path / "big", bytes_=BIG, sha256=sha256(big), progress=told.append
        )
    assert (tmp_path / "big").read_bytes() == big
    assert sum(told) == BIG


@pytest.mark.parametrize("size", [5, 7, BIG, BIG + 1])
def test_a_file_of_another_length_or_content_is_damaged(site, tmp_path, big, size):
    (site / "f").write_bytes(b"123456" if size < 10 else big[:-1] + b"x")
    with serving(site) as server:
        for where in (server.url, site):
            with pytest.raises(Damaged):
                open_source(where).fetch(
                    "f", tmp_path / "f", bytes_=size, sha256=sha256(big[:size])
                )
    assert not (tmp_path / "f").exists()
    assert not (tmp_path / ".f.part").exists()


def test_without_a_hash_a_file_that_changes_between_two_pieces_is_noticed(site, tmp_path, big):
    (site / "big").write_bytes(big)

    def change(path: str, n: int) -> None:
        if n == 3:
            (site / "big").write_bytes(big[:-1] + b"x")

    with serving(site, fault=change) as server, pytest.raises(Damaged, match="changed"):
        open_source(server.url).fetch("big", tmp_path / "big")


def test_a_server_without_ranges_gives_the_whole(site, tmp_path, big):
    (site / "big").write_bytes(big)
    with serving(site, ranges=False) as server:
        source = open_source(server.url)
        source.fetch("big", tmp_path / "big", bytes_=BIG, sha256=sha256(big))
        assert (tmp_path / "big").read_bytes() == big
        assert len(server.seen) == 2
        assert source.range("big", 5, 3) == big[5:8]


@pytest.mark.parametrize("fault", ["cut", "short", "garbage"])
def test_an_answer_that_breaks_off_is_asked_for_again(site, tmp_path, big, fault):
    (site / "big").write_bytes(big)
    with serving(site, fault=lambda path, n: fault if n == 2 else None) as server:
        open_source(server.url).fetch("big", tmp_path / "big", bytes_=BIG, sha256=sha256(big))
    assert (tmp_path / "big").read_bytes() == big


def test_parts_of_files_are_alike_from_everywhere(site):
    (site / "f").write_bytes(b"0123456789")
    with serving(site) as server:
        for source in (open_source(site), open_source(server.url)):
            assert source.range("f") == b"0123456789"
            assert source.range("f", 8, 10) == b"89"
            assert source.range("f", 3) == b"3456789"
            assert source.stat("f").size == 10
            with pytest.raises(NotThere):
                source.range("g", 1, 2)


def test_a_folder_lists_its_files_and_a_web_server_none(site):
    listed = open_source(site).listing()
    assert listed is not None
    assert {path: file.size for path, file in listed.items()}[CATALOG] == len(CATALOG)
    with serving(site) as server:
        assert open_source(server.url).listing() is None
