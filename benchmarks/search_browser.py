"""A server that counts what it sends, and a browser that asks one contender."""

from __future__ import annotations

import gzip
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from portal.serve import content_type

__all__ = ["Server", "browser_path", "open_browser", "run_contender", "serving"]

ROOT = Path(__file__).parent.parent
_PICTURES = (".webp", ".png", ".jpg")
_PACKED = (*_PICTURES, ".bin", ".parquet", ".pf_meta", ".pf_index", ".pf_filter", ".pf_fragment")
_FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--enable-precise-memory-info",
]


@dataclass
class Server:
    """Folders by the first part of an address; the first fitting one answers."""

    folders: dict[str, Path]
    compressed: Path
    port: int = 0
    sent: list[tuple[str, int]] = field(default_factory=list)
    """Address and bytes of each answer, header included, since the last `take`."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self) -> list[tuple[str, int]]:
        taken, self.sent = self.sent, []
        return taken

    def find(self, address: str) -> Path | None:
        for prefix, folder in self.folders.items():
            if address.startswith(prefix):
                path = folder / address.removeprefix(prefix)
                path = path / "index.html" if path.is_dir() else path
                if path.is_file():
                    return path
        return None

    def body(self, path: Path) -> tuple[bytes, bool]:
        """What goes over the wire, gzip where that helps: made once, as a good host does."""
        if path.suffix in _PACKED or path.stat().st_size < 1_000:
            return path.read_bytes(), False
        key = f"{path.stat().st_mtime_ns}-{str(path).replace('/', '+')[-150:]}.gz"
        kept = self.compressed / key
        if not kept.exists():
            data = path.read_bytes()
            level = 9 if len(data) < 2_000_000 else 5
            kept.write_bytes(gzip.compress(data, level, mtime=0))
        return kept.read_bytes(), True


def thumbnail() -> bytes:
    """One picture that stands for all."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
    out = BytesIO()
    Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC).save(out, "WEBP")
    return out.getvalue()


@contextmanager
def serving(folders: dict[str, Path], compressed: Path) -> Iterator[Server]:
    """Serve folders from a thread, with keep-alive and an exact clock for the page."""
    compressed.mkdir(parents=True, exist_ok=True)
    server = Server(folders, compressed)
    picture = thumbnail()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = self.path.partition("?")[0]
            path = server.find(address)
            body, packed, status = b"", False, 200
            if path:
                body, packed = server.body(path)
            elif address.endswith(_PICTURES):
                body = picture
            else:
                status = 404
            lines = [
                f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}",
                f"Content-Type: {content_type(address if '.' in address else 'index.html')}",
                f"Content-Length: {len(body)}",
                "Cache-Control: max-age=3600",
                # An isolated page has a clock of 5 µs instead of 100.
                "Cross-Origin-Opener-Policy: same-origin",
                "Cross-Origin-Embedder-Policy: require-corp",
                *(["Content-Encoding: gzip"] if packed else []),
            ]
            data = "\r\n".join([*lines, "", ""]).encode() + body
            server.sent.append((address, len(data)))
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A browser that is closed leaves requests behind."""

    with Quiet(("127.0.0.1", 0), Handler) as listener:
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()


def browser_path() -> str:
    """The browser that the tests use, `playwright` for its own."""
    note = ROOT / ".cache" / "browser"
    if note.is_file():
        return note.read_text().strip()
    return shutil.which("chromium") or "playwright"


@contextmanager
def open_browser() -> Iterator[Any]:
    """A fresh headless Chromium; one a contender, so that none inherits another's memory."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    with sync_playwright() as p:
        program = None if path == "playwright" else path
        browser = p.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def run_contender(server: Server, options: dict[str, Any], limit: float) -> dict[str, Any]:
    """Figures of one contender, those it had when its time was over, or `failed` with the reason."""
    known: dict[str, Any] = {}
    cold: list[tuple[str, int]] = []
    with open_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(limit * 1000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("crash", lambda _: errors.append("the page ran out of memory"))
        page.expose_function("told", lambda figures: known.update(figures))
        try:
            page.goto(f"{server.base}/bench/bench.html")
            page.wait_for_function("window.ready")
            server.take()
            page.evaluate(
                "o => { window.run(o).then(r => { window.result = r },"
                " e => { window.result = { failed: String(e) } }) }",
                options,
            )
            page.wait_for_function("window.live || window.result", timeout=limit * 1000)
            cold = [s for s in server.sent if not s[0].endswith("/plan.json")]
            page.wait_for_function("window.result", timeout=limit * 1000)
            known |= page.evaluate("window.result")
            known["heap"] = page.evaluate("performance.memory.usedJSHeapSize")
        except Exception as error:
            said = errors or [str(error).splitlines()[0]]
            why = f"over {limit:.0f} s" if "Timeout" in said[0] else said[0][:200]
            if "clicks" not in known:
                return {"failed": why}
            known |= {"note": f"texts: {why}", "heap": float("nan")}
        return known | {"bytes": sum(size for _, size in cold), "requests": len(cold)}
