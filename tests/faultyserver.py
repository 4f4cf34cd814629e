"""A real HTTP server on 127.0.0.1 that goes wrong at will, and keeps what it was asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

__all__ = ["Server", "Setup", "serving"]

Fault = int | str | tuple[int, dict[str, str]] | None


@dataclass
class Setup:
    """How the server behaves. `fault(path, n)` says what goes wrong with the n-th request for a
    path: a status (with headers), or "slow", "cut", "short", "drip", "endless", "garbage"."""

    fault: Callable[[str, int], Fault] = lambda path, n: None
    latency: float = 0.0
    ranges: bool = True
    suffixes: bool = True
    html_for_404: bool = False
    missing: int = 404
    etags: bool = True
    cors: str = ""
    cors_on_errors: bool = True
    options: int = 204
    heads: bool = True
    types: dict[str, str] = field(default_factory=dict)


class Server:
    """A running one: where it is, how it behaves, and every request so far."""

    def __init__(self, root: Path, setup: Setup):
        self.root = root
        self.setup = setup
        self.seen: list[tuple[str, str]] = []
        self.tries: dict[str, int] = {}
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        server = self

        class Handler(_Handler):
            owner = server

        self.http = _Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def again(self, **changes: object) -> None:
        """Forget what was asked, and behave otherwise."""
        self.seen, self.tries = [], {}
        for name, value in changes.items():
            setattr(self.setup, name, value)


@contextmanager
def serving(root: Path, **options: object) -> Iterator[Server]:
    server = Server(root, Setup(**options))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.http.shutdown()
        server.http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Who was cut off says so; that is the point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_OPTIONS(self) -> None:
        self._note()
        setup = self.owner.setup
        headers = {"Access-Control-Allow-Headers": "Range"} if setup.options < 300 else {}
        self._send(setup.options, b"", headers)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, n = self._note()
        setup = self.owner.setup
        if setup.latency:
            time.sleep(setup.latency)
        fault = setup.fault(path, n)
        if isinstance(fault, tuple):
            return self._send(fault[0], b"", fault[1])
        if isinstance(fault, int):
            return self._send(fault, f"status {fault}".encode(), {})
        file = self.owner.root / path
        if self.command == "HEAD" and not setup.heads:
            return self._send(405, b"", {})
        if not file.is_file():
            page = b"<!doctype html><title>The app</title>"
            if setup.html_for_404:
                return self._send(200, page, {"Content-Type": "text/html"})
            return self._send(setup.missing, b"nothing", {"Content-Type": "text/plain"})
        return self._file(file, fault)

    def _note(self) -> tuple[str, int]:
        path = unquote(self.path.partition("?")[0]).lstrip("/")
        owner = self.owner
        with owner.lock:
            owner.seen.append((self.command, path))
            owner.tries[path] = owner.tries.get(path, 0) + 1
            return path, owner.tries[path]

    def _file(self, file: Path, fault: Fault) -> None:
        setup = self.owner.setup
        body, info = file.read_bytes(), file.stat()
        default = "application/octet-stream"
        headers = {"Content-Type": setup.types.get(file.name, default), "Accept-Ranges": "bytes"}
        if setup.etags:
            headers["ETag"] = f'"{info.st_mtime_ns:x}-{len(body):x}"'
        status = 200
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        suffix = asked.startswith("-")
        if asked and setup.ranges and (setup.suffixes or not suffix):
            start, _, end = asked.partition("-")
            first = max(0, len(body) - int(end)) if suffix else int(start)
            last = len(body) - 1 if suffix or not end else min(int(end), len(body) - 1)
            if not body or first > last:
                return self._send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            status, body = 206, body[first : last + 1]
        if fault == "short" and status == 206:
            body = body[:-1]
        return self._send(status, body, headers, fault)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault = None) -> None:
        setup = self.owner.setup
        if fault == "garbage":
            self.wfile.write(b"\x16\x03\x01 what is this\r\n\r\n")
            self.close_connection = True
            return
        if fault == "slow":
            self.owner.stopped.wait(30)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if setup.cors and (status < 400 or setup.cors_on_errors):
            self.send_header("Access-Control-Allow-Origin", setup.cors)
        if fault == "endless":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or status in (204, 304):
            return
        if fault == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "drip":
            for i in range(len(body)):
                if self.owner.stopped.wait(0.05):
                    return
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
        elif fault == "endless":
            while not self.owner.stopped.is_set():
                self.wfile.write(body or b"x" * 1000)
        else:
            self.wfile.write(body)
