"""A built site on this machine, shown the way a good static host shows it.

Range requests, entity tags, compression and `404.html` are starlette's. Added here: the content types of
zarr stores and Parquet files, and a site under a sub-path. A folder without an `index.html` is never listed.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from mimetypes import guess_type
from os import PathLike, stat_result
from pathlib import Path, PurePath

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from portal.errors import BuildError, UsageError

__all__ = ["serve", "site_app", "start"]

_BINARY = "application/octet-stream"
_TYPES = {
    ".geojson": "application/geo+json",
    ".jsonld": "application/ld+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
}
_ZARR_JSON = {".zattrs", ".zarray", ".zgroup", ".zmetadata", "zmetadata"}
# Already compressed, or of no use when compressed again.
_NOT_COMPRESSED = (_BINARY, "application/gzip", "application/zip", _TYPES[".parquet"])
_NOT_COMPRESSED_KINDS = ("audio/*", "font/*", "image/jpeg", "image/png", "image/webp", "video/*")


def content_type(name: str) -> str:
    """The content type of a file by its name; machines differ in what they know of this."""
    if name in _ZARR_JSON:
        return "application/json"
    kind = _TYPES.get(PurePath(name).suffix) or guess_type(name)[0] or _BINARY
    text = kind.startswith("text/") or kind.endswith(("json", "xml", "yaml"))
    return f"{kind}; charset=utf-8" if text else kind


class _Site(StaticFiles):
    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if response.status_code != 304:
            response.headers["content-type"] = content_type(PurePath(full_path).name)
        # A rebuilt site shows at once; what hasn't changed costs a 304.
        response.headers["cache-control"] = "no-cache"
        return response


def site_app(folder: Path, prefix: str = "/") -> Starlette:
    """The site as an ASGI application, under `prefix`."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder. Build the site first: portal build")
    base = _base(prefix)
    routes: list[BaseRoute] = [Mount(base, _Site(directory=folder, html=True))]
    if base:
        routes.append(Route("/", lambda request: RedirectResponse(f"{base}/")))
    gzip = Middleware(
        GZipMiddleware,
        compresslevel=5,
        exclude_content_types=_NOT_COMPRESSED + _NOT_COMPRESSED_KINDS,
    )
    return Starlette(routes=routes, middleware=[gzip])


def serve(folder: Path, host: str = "127.0.0.1", port: int = 8000, prefix: str = "/") -> None:
    """Show the site in `folder` until interrupted."""
    app = site_app(folder, prefix)
    with _listen(host, port) as listener:
        _server(app).run(sockets=[listener])


@contextmanager
def start(folder: Path, prefix: str = "/", host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Show the site in `folder` from a thread; yields its address, which ends in a slash."""
    server = _server(site_app(folder, prefix))
    with _listen(host, port) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise BuildError("The server for the site stopped before it had started.")
                time.sleep(0.01)
            yield f"http://{host}:{listener.getsockname()[1]}{_base(prefix)}/"
        finally:
            server.should_exit = True
            thread.join()


def _base(prefix: str) -> str:
    path = prefix.strip("/")
    return f"/{path}" if path else ""


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    )


def _listen(host: str, port: int) -> socket.socket:
    """Bound before the server starts, so that a taken port is told in our words."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"Can't listen on {host}:{port}: {error.strerror or error}. Choose another with --port."
        ) from error
