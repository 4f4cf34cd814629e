"""Code that people paste: how to fetch, load and query one artifact.

Everything that comes from an entry is quoted for the language it goes into, since what is pasted
into a terminal runs.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from markupsafe import Markup

from portal.record import Record

__all__ = ["Snippet", "snippets_of"]

_S3_HOST = re.compile(r"(?P<bucket>[a-z0-9.-]+)\.s3[.-][a-z0-9-]+\.amazonaws\.com")
_TOKEN = re.compile(
    r"""(?P<s>"(?:[^"\\\n]|\\.)*"|'[^'\n]*')|(?P<i>(?:\#|--)\ [^\n]*)"""
    r"""|\b(?P<b>import|from|SELECT|FROM|WHERE|library|while|do|done)\b""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One language: `key` for ids in the page, `label` for people, `code` highlighted."""

    key: str
    label: str
    code: Markup


def snippets_of(record: Record, base_url: str) -> list[Snippet]:
    """Python, R, SQL and the command line, as far as each is true for this artifact."""
    index = f"{base_url}catalog/catalog.parquet"
    fetch = _fetch(record, base_url)
    first = ""
    if fetch:
        verb = "fetch and unpack" if ".zarr.zip" in fetch else "fetch"
        first = f"# {verb} the store first: see Command line"
    texts = {
        ("py", "Python"): _python(record, base_url, bool(fetch)),
        ("r", "R"): _r(record, index, first),
        ("sql", "SQL"): f"-- DuckDB reads the catalogue where it lies\n"
        f"SELECT uid, title, technology, tissue, n_obs, zarr_url\n"
        f"FROM {_sql(index)}\nWHERE uid = {_sql(record.id)};",
        ("sh", "Command line"): fetch
        + ("\n\n" if fetch else "")
        + f"# what the catalogue knows, in the portal's own folder\nportal describe {record.id}",
    }
    return [Snippet(key, label, _highlight(text)) for (key, label), text in texts.items()]


def _python(record: Record, base_url: str, can_load: bool) -> str:
    """The portal's own client; the catalog is a Parquet file for whoever has it not."""
    site = json.dumps(base_url or "https://example.org/")
    note = "" if base_url else "  # the address of this site"
    lines = [
        '# pip install "spatialdata-portal[build]"',
        "import portal",
        "",
        f"db = portal.open({site}){note}",
        f"artifact = db.get({json.dumps(record.id)})",
        "artifact.describe()",
    ]
    if can_load:
        lines += ["", "sdata = artifact.load()  # fetched once, then kept"]
        if record.default_table:
            known = record.n_obs and record.n_features
            n = f"  # AnnData, {record.n_obs:,} × {record.n_features:,}" if known else ""
            lines.append(f"sdata[{json.dumps(record.default_table, ensure_ascii=False)}]{n}")
    lines += [
        "",
        "import pandas as pd",
        "",
        f"catalog = pd.read_parquet({json.dumps(f'{base_url}catalog/catalog.parquet')})",
    ]
    return "\n".join(lines)


def _r(record: Record, index: str, first: str) -> str:
    lines = []
    if first and record.facts and record.facts.zarr_format == 2:
        lines += [
            "library(SpatialData)",
            "",
            first,
            f"sd <- readSpatialData({json.dumps(f'{record.id}.zarr')})",
            "",
        ]
    lines += [
        f"catalog <- arrow::read_parquet({json.dumps(index)})",
        f"catalog[catalog$uid == {json.dumps(record.id)}, ]",
    ]
    return "\n".join(lines)


def _fetch(record: Record, base_url: str) -> str:
    """How to get the store, for the kinds of address that have a client; empty for none."""
    if record.products.copy_:
        return _fetch_copy(record.products.copy_.store, record.id, base_url)
    if not record.url:
        return ""
    parts = urlsplit(record.url)
    target = f"{record.id}.zarr"
    if parts.path.endswith(".zip"):
        if parts.scheme in ("http", "https"):
            return f"curl -gfL -o {target}.zip {shlex.quote(record.url)}\n{_unpack(record.id)}"
        return ""
    host = _S3_HOST.fullmatch(parts.netloc)
    s3 = (
        record.url
        if parts.scheme == "s3"
        else f"s3://{host['bucket']}{parts.path}"
        if host
        else None
    )
    if s3:
        return f"aws s3 cp --no-sign-request --recursive \\\n  {shlex.quote(s3)} {target}"
    if parts.scheme == "gs":
        return f"gcloud storage cp --recursive {shlex.quote(record.url)} {target}"
    return ""


def _fetch_copy(store: str, id_: str, base_url: str) -> str:
    """The published copy: a single file, or all files that files.json lists."""
    site = (
        f"PORTAL={shlex.quote(base_url)}"
        if base_url
        else "PORTAL=https://example.org/  # the address of this site"
    )
    if store.endswith(".zip"):
        return f'{site}\ncurl -gfL -o {id_}.zarr.zip "$PORTAL"{store}\n{_unpack(id_)}'
    # A name may hold anything that prints: its address is escaped, and -g keeps curl from
    # reading brackets as ranges.
    return (
        f"{site}\n# needs curl and jq; files.json has the checksums too\n"
        f'curl -gfsS "$PORTAL"data/{id_}/files.json |\n'
        '  jq -r \'.files[].path | ., (split("/") | map(@uri) | join("/"))\' |\n'
        "  while IFS= read -r file && IFS= read -r at; do\n"
        f'    curl -gfsS --create-dirs -o "$file" "$PORTAL"data/{id_}/"$at" || break\n  done'
    )


def _unpack(id_: str) -> str:
    """Zips of stores come in two kinds, and nothing but the zip itself tells which it is."""
    return (
        f"unzip -q {id_}.zarr.zip -d {id_}.zarr\n"
        f"# where the zip has a folder around the store, take that one: {id_}.zarr/*/"
    )


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _highlight(text: str) -> Markup:
    """Strings, comments and a few words marked; everything else escaped."""
    out, end = [], 0
    for match in _TOKEN.finditer(text):
        tag = match.lastgroup
        out.append(f"{escape(text[end : match.start()])}<{tag}>{escape(match[0])}</{tag}>")
        end = match.end()
    out.append(escape(text[end:]))
    return Markup("".join(out))
