"""Every snippet of the documentation runs, and prints what the page says that it prints.

A page's blocks run in order, in one process, against the site of the default collection, which
the real server shows at the address that the pages name. What stands under the tab LaminDB runs
in LaminDB's own environment, which `benchmarks.curation` makes; what needs torch in `.venv-ml`.

A `text` block right after a block is what that prints; `…` stands for any text, on a line of its
own for any lines. `UPDATE_GOLDENS=1` writes the outputs anew: read the diff.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from urllib.parse import urlsplit

import pytest

from portal.build import build_site
from portal.config import load_config
from portal.resources import docs_dir
from tests.conftest import ROOT
from tests.mlkit import PYTHON as ML_PYTHON

ADDRESS = "https://example.org/portal/"
"""Where the pages say that the portal is."""
HOME = "/home/you"
"""What outputs say for the folder that a page runs in."""
EPOCH = "1700000000"
PEER = ROOT / ".cache" / "curation-peer" / "env" / "bin" / "python"
IN_ML = {"python/train.md"}
"""Pages whose blocks need torch."""
ENOUGH = 180
"""Seconds."""
PEERS_INSTANCE = '''
import os, shutil
import lamindb_setup
lamindb_setup.init(storage="lamin", modules="bionty")
lamindb_setup.settings.instance._is_on_hub = False  # else it asks the hub, which is not there
import bionty as bt
import lamindb as ln
tissue = bt.Tissue(name="colon", ontology_id="UBERON:0001155", synonyms="large bowel").save()
above = bt.Tissue(name="intestine", ontology_id="UBERON:0000160").save()
tissue.parents.add(above)
assay = bt.ExperimentalFactor(name="immunohistochemistry", ontology_id="OBI:0001986").save()
bt.Disease(name="Alzheimer disease", ontology_id="MONDO:0004975").save()
for name, dtype in {
    "tissue": bt.Tissue, "assay": bt.ExperimentalFactor, "disease": bt.Disease, "n_nuclei": int,
}.items():
    ln.Feature(name=name, dtype=dtype).save()
for name, n in {"ihc-nuclei": 298, "ihc-spots": 841}.items():
    store = f"lamin/{name}.zarr"
    shutil.copytree(os.path.join(os.environ["STORES"], f"{name}.zarr"), store)
    artifact = ln.Artifact(store, kind="dataset", run=False).save()
    artifact.features.add_values({"tissue": tissue, "assay": assay, "n_nuclei": n})
'''
"""What LaminDB's blocks find: an instance of two of the default collection's stores."""


@dataclass
class Block:
    """One fenced block; `tab` is that which it stands under, `expected` what it should print."""

    language: str
    code: str
    line: int
    tab: str = ""
    expected: str | None = None
    place: tuple[int, int] = (0, 0)
    """The lines of the expected output in the file, from and to."""
    margin: str = ""


@dataclass
class Page:
    name: str
    blocks: list[Block] = field(default_factory=list)

    def of(self, tab: str) -> list[Block]:
        """Those that run, under LaminDB's tab or elsewhere."""
        runs = [b for b in self.blocks if b.language in ("python", "sh")]
        return [b for b in runs if (b.tab == "LaminDB") == (tab == "LaminDB")]


def read_page(path: Path) -> Page:
    page = Page(path.relative_to(docs_dir() / "docs").as_posix())
    lines = path.read_text("utf-8").splitlines()
    tab, opened = "", None
    for i, line in enumerate(lines):
        if match := re.match(r'=== "(.+)"$', line):
            tab = match[1]
        elif line and not line.startswith(" "):
            tab = tab if opened is not None else ""
        fence = re.match(r"( *)```(\w*)", line)
        if fence and opened is None:
            opened, margin, language = i, fence[1], fence[2]
        elif fence and opened is not None:
            code = dedent("\n".join(lines[opened + 1 : i]))
            before = page.blocks[-1] if page.blocks else None
            between = "".join(lines[before.place[1] + 1 : opened]) if before else "-"
            if language == "text" and before and not between.strip():
                before.expected, before.place = code, (opened, i)
            else:
                page.blocks.append(
                    Block(language, code, opened + 1, tab, None, (opened, i), margin)
                )
            opened = None
    assert opened is None, f"{page.name}: a block has no end"
    return page


PAGES = [
    read_page(path)
    for path in sorted((docs_dir() / "docs").rglob("*.md"))
]
OURS = [page for page in PAGES if page.of("")]
PEERS = [page for page in PAGES if page.of("LaminDB")]


# --- where they run


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, local_stores) -> Path:
    """What the curator of the default collection has: manifest, stores, the finished site."""
    root = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "data_manifest", root / "data_manifest")
    shutil.copy(ROOT / "site_config.yaml", root)
    shutil.copytree(local_stores, root / "stores")
    report = build_site(load_config(root / "site_config.yaml"), root / "site")
    assert [p for p in report.problems if p.severity == "error"] == []
    return root


@pytest.fixture(scope="module")
def address(checkout) -> Iterator[str]:
    from portal.serve import start

    with start(checkout / "site", prefix=urlsplit(ADDRESS).path) as base:
        yield base


@pytest.fixture
def folder(checkout, tmp_path) -> Path:
    """Where a page runs: in the checkout, with an export of LaminDB beside it."""
    shutil.copytree(checkout / "data_manifest", tmp_path / "data_manifest")
    shutil.copy(checkout / "site_config.yaml", tmp_path)
    for name in ("stores", "site"):
        (tmp_path / name).symlink_to(checkout / name)
    shutil.copy(ROOT / "tests" / "lamin" / "artifacts.csv", tmp_path)
    return tmp_path


def run(python: Path, pages: Sequence[tuple[Path, Sequence[Block]]], work: Path) -> list[list]:
    """What the blocks of pages print, in one process."""
    asked, said = work / "asked.json", work / "said.json"
    blocks = [
        {"folder": str(folder), "blocks": [[b.language, b.code] for b in blocks]}
        for folder, blocks in pages
    ]
    asked.write_text(json.dumps(blocks))
    environment = os.environ | {
        "COLUMNS": "96",
        "SOURCE_DATE_EPOCH": EPOCH,
        "STORES": str(ROOT / "stores"),
        "XDG_CACHE_HOME": str(work / ".cache"),
        "LAMIN_SETTINGS_DIR": str(work / "settings"),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), ""),
    }
    environment.pop("PORTAL_CACHE", None)
    done = subprocess.run(
        [str(python), "-W", "ignore", str(ROOT / "tests" / "snippets.py"), str(asked), str(said)],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=ENOUGH,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(said.read_text())


# --- what they print


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def matches(printed: str, expected: str) -> bool:
    """Whether a text is what was expected; `…` is any text, alone on a line any lines."""
    lines = [
        r"(?:.*\n)*" if line.strip() == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in plain(expected).splitlines()
    ]
    return re.fullmatch("".join(lines), plain(printed) + "\n") is not None


def check(page: Page, blocks: Sequence[Block], answers: list[list[str]]) -> None:
    """All that went otherwise than the page says."""
    told = []
    for block, (printed, fault) in zip(blocks, answers, strict=True):
        expected, block.expected = block.expected, printed
        right = not fault if expected is None else matches(printed, expected)
        if right:
            block.expected = expected
        else:
            instead = "" if expected is None else f"\nand not:\n{expected}"
            told.append(f"{page.name}:{block.line} prints:\n{printed}{fault}{instead}")
    if told and os.environ.get("UPDATE_GOLDENS"):
        write(page)
    assert not told, "\n\n".join(told)


def write(page: Page) -> None:
    """The outputs into the page, which may have been written since it was read."""
    path = docs_dir() / "docs" / page.name
    lines = path.read_text("utf-8").splitlines()
    for block, now in reversed(list(zip(page.blocks, read_page(path).blocks, strict=True))):
        if block.expected is not None:
            start, end = now.place
            lines[start + 1 : end] = indent(plain(block.expected), now.margin).splitlines()
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.name)
def test_what_a_page_shows_works(page, folder, address, tmp_path):
    python = ML_PYTHON if page.name in IN_ML else Path(sys.executable)
    if not python.is_file():
        pytest.skip(f"no .venv-ml: {len(page.of(''))} blocks were not run")
    here = address.removesuffix("/")
    blocks = page.of("")
    for block in blocks:
        block.code = block.code.replace(ADDRESS.removesuffix("/"), here)
    (answers,) = run(python, [(folder, blocks)], tmp_path)
    server = f"{urlsplit(address).scheme}://{urlsplit(address).netloc}"
    told = [[said(a, server, folder), fault] for a, fault in answers]
    check(page, blocks, told)


def said(printed: str, server: str, folder: Path) -> str:
    """An output as a reader of the page would see it."""
    width = len(server)
    printed = re.sub(rf"{re.escape(server)}(\S*)(?= )", lambda m: f"https://example.org{m[1]}".ljust(width + len(m[1])), printed)
    printed = printed.replace(server, "https://example.org")
    return printed.replace(str(folder), HOME)


@pytest.fixture(scope="module")
def peers_answers(tmp_path_factory, local_stores) -> dict[str, list[list[str]]]:
    """What LaminDB's blocks print, by page: all in one process, since it takes long to start."""
    if not PEER.is_file():
        n = sum(len(page.of("LaminDB")) for page in PEERS)
        pytest.skip(f"no LaminDB: {n} blocks were not run; `python -m benchmarks.curation` has it")
    work = tmp_path_factory.mktemp("lamindb")
    start = Block("python", PEERS_INSTANCE, 0)
    pages = [(work, [start]), *((work, page.of("LaminDB")) for page in PEERS)]
    (made,), *answers = run(PEER, pages, work)
    assert not made[1], made[1]
    return {page.name: found for page, found in zip(PEERS, answers, strict=True)}


@pytest.mark.parametrize("page", PEERS, ids=lambda page: page.name)
def test_what_a_page_shows_of_lamindb_works(page, peers_answers):
    check(page, page.of("LaminDB"), peers_answers[page.name])


def test_every_page_for_python_shows_lamindb_s_way_too():
    pages = {page.name for page in PAGES if page.name.startswith("python/")}
    assert pages - {page.name for page in PEERS} <= {"python/index.md", "python/views.md"}


def test_the_sql_of_the_pages_runs(checkout):
    duckdb = pytest.importorskip("duckdb")
    found = [b for page in PAGES for b in page.blocks if b.language == "sql"]
    assert found
    for block in found:
        query = block.code.replace(ADDRESS, f"{checkout / 'site'}/")
        assert duckdb.sql(query).fetchall(), block.code
