"""`portal.serve`, over real HTTP."""

from __future__ import annotations

import gzip
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn")

from portal.errors import UsageError
from portal.serve import content_type, serve, site_app, start

CHUNK = bytes(range(256)) * 8


class Reply:
    def __init__(self, response: http.client.HTTPResponse):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def get(address: str, path: str = "", method: str = "GET", **headers: str) -> Reply:
    """One request, with the path as it is written: clients tidy `..` away, attackers don't."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, parts.path + path, headers=names)
        return Reply(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serve")
    (root / "secret.txt").write_text("secret")
    site = root / "site"
    store = site / "data" / "a.zarr"
    (store / "c" / "0").mkdir(parents=True)
    (site / "index.html").write_text("<h1>Home</h1>")
    (site / "404.html").write_text("<h1>Not here</h1>")
    (site / "browse").mkdir()
    (site / "browse" / "index.html").write_text("<h1>Browse</h1>")
    (site / "long.json").write_text("[" + "1, " * 2000 + "1]")
    (store / "zarr.json").write_text("{}")
    (store / "c" / "0" / "0").write_bytes(CHUNK)
    (store / "part.0.parquet").write_bytes(CHUNK)
    (site / "outside.txt").symlink_to(root / "secret.txt")
    return site


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with start(folder) as address:
        yield address


class TestPages:
    def test_home(self, site: str) -> None:
        reply = get(site)
        assert (reply.status, reply.body) == (200, b"<h1>Home</h1>")
        assert reply.headers["content-type"] == "text/html; charset=utf-8"

    def test_a_folder_without_its_slash_redirects(self, site: str) -> None:
        reply = get(site, "browse")
        assert reply.status in (301, 302, 307, 308)
        assert urlsplit(reply.headers["location"]).path == "/browse/"
        assert get(site, "browse/").body == b"<h1>Browse</h1>"

    @pytest.mark.parametrize("path", ["nothing", "data/", "data/a.zarr/", "data"])
    def test_what_is_missing_or_has_no_page_is_404_with_the_sites_page(
        self, site: str, path: str
    ) -> None:
        reply = get(site, path)
        assert (reply.status, reply.body) == (404, b"<h1>Not here</h1>")

    def test_404_without_a_page_for_it(self, tmp_path: Path) -> None:
        with start(tmp_path) as address:
            assert get(address).status == 404

    def test_head(self, site: str) -> None:
        reply = get(site, "data/a.zarr/c/0/0", method="HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert reply.headers["content-length"] == str(len(CHUNK))

    def test_nothing_can_be_written(self, site: str) -> None:
        assert get(site, method="PUT").status == 405


class TestOutside:
    @pytest.mark.parametrize(
        "path", ["../secret.txt", "%2e%2e/secret.txt", "browse/../../secret.txt", "outside.txt"]
    )
    def test_nothing_outside_the_folder_is_shown(self, site: str, path: str) -> None:
        reply = get(site, path)
        assert reply.status == 404
        assert b"secret" not in reply.body

    @pytest.mark.parametrize("path", ["%00", "a" * 300])
    def test_names_no_file_can_have(self, site: str, path: str) -> None:
        assert get(site, path).status == 404


class TestRange:
    PATH = "data/a.zarr/c/0/0"

    @pytest.mark.parametrize(
        ("asked", "expected", "where"),
        [
            ("bytes=0-9", CHUNK[:10], "0-9"),
            ("bytes=2000-", CHUNK[2000:], "2000-2047"),
            ("bytes=-8", CHUNK[-8:], "2040-2047"),
            ("bytes=-9999", CHUNK, "0-2047"),
            ("bytes=2040-9999", CHUNK[2040:], "2040-2047"),
        ],
        ids=["the start", "to the end", "the end", "more than there is", "beyond the end"],
    )
    def test_a_range(self, site: str, asked: str, expected: bytes, where: str) -> None:
        reply = get(site, self.PATH, Range=asked)
        assert (reply.status, reply.body) == (206, expected)
        assert reply.headers["content-range"] == f"bytes {where}/{len(CHUNK)}"
        assert reply.headers["content-length"] == str(len(expected))

    def test_beyond_the_end(self, site: str) -> None:
        reply = get(site, self.PATH, Range="bytes=2048-2050")
        assert reply.status == 416
        assert reply.headers["content-range"] == "bytes */2048"

    def test_is_offered(self, site: str) -> None:
        assert get(site, self.PATH).headers["accept-ranges"] == "bytes"

    def test_is_never_compressed(self, site: str) -> None:
        reply = get(site, "long.json", Range="bytes=0-999", Accept_Encoding="gzip")
        assert (reply.status, len(reply.body)) == (206, 1000)
        assert reply.headers["content-encoding"] is None


class TestCompression:
    def test_of_text(self, site: str, folder: Path) -> None:
        reply = get(site, "long.json", Accept_Encoding="gzip")
        assert reply.headers["content-encoding"] == "gzip"
        assert gzip.decompress(reply.body) == (folder / "long.json").read_bytes()

    def test_only_where_asked_for(self, site: str) -> None:
        assert get(site, "long.json").headers["content-encoding"] is None

    @pytest.mark.parametrize("path", ["data/a.zarr/c/0/0", "data/a.zarr/part.0.parquet"])
    def test_not_of_what_is_compressed_already(self, site: str, path: str) -> None:
        reply = get(site, path, Accept_Encoding="gzip")
        assert reply.headers["content-encoding"] is None
        assert reply.body == CHUNK


class TestEntityTag:
    def test_unchanged(self, site: str) -> None:
        tag = get(site, "long.json").headers["etag"]
        reply = get(site, "long.json", If_None_Match=tag)
        assert (reply.status, reply.body) == (304, b"")

    def test_changed(self, site: str) -> None:
        assert get(site, "long.json", If_None_Match='"another"').status == 200


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("view-1A.js", "text/javascript; charset=utf-8"),
        ("x.wasm", "application/wasm"),
        ("catalog.parquet", "application/vnd.apache.parquet"),
        ("catalog.ndjson", "application/x-ndjson; charset=utf-8"),
        ("a.webp", "image/webp"),
        ("a.svg", "image/svg+xml; charset=utf-8"),
        ("feed.xml", "application/xml; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("zarr.json", "application/json; charset=utf-8"),
        (".zattrs", "application/json"),
        (".zmetadata", "application/json"),
        ("0", "application/octet-stream"),
        ("0.0.0", "application/octet-stream"),
    ],
)
def test_content_type(name: str, kind: str) -> None:
    assert content_type(name) == kind


class TestPrefix:
    @pytest.mark.parametrize("prefix", ["/portal/", "portal"])
    def test_a_site_under_a_sub_path(self, folder: Path, prefix: str) -> None:
        with start(folder, prefix=prefix) as address:
            assert urlsplit(address).path == "/portal/"
            assert get(address, "browse/").body == b"<h1>Browse</h1>"
            assert get(address, "nothing").body == b"<h1>Not here</h1>"
            root = address.removesuffix("portal/")
            assert urlsplit(get(root).headers["location"]).path == "/portal/"
            assert urlsplit(get(root, "portal").headers["location"]).path == "/portal/"
            assert urlsplit(get(address, "browse").headers["location"]).path == "/portal/browse/"
            assert get(root, "browse/").status == 404


class TestWrongUse:
    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="portal build"):
            site_app(tmp_path / "nothing")

    def test_a_port_that_is_taken(self, folder: Path) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            pytest.raises(UsageError, match="--port"),
        ):
            serve(folder, port=taken.getsockname()[1])
