"""Every snippet of the documentation, and the README's Python, runs and prints what it should.

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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from urllib.parse import urlsplit

import pytest

from portal.build import build_site
from portal.cache import link_tree
from portal.config import load_config
from portal.resources import docs_dir
from portal.serve import start
from tests.conftest import ROOT
from tests.mlkit import PYTHON as ML_PYTHON

ADDRESS = "https://example.org/portal/"
"""Where the pages say that the portal is."""
HOME = "/home/you"
"""What outputs say for the folder that a page runs in."""
PEER = "LaminDB"
PEER_PYTHON = ROOT / ".cache" / "curation-peer" / "env" / "bin" / "python"
IN_ML = {"python/train.md"}
"""Pages that need torch."""
PEER_ALONE = {"python/index.md", "python/views.md"}
"""Pages for Python without a snippet of LaminDB: a table of calls; what wants its hub to be seen."""
ENOUGH = 600
"""Seconds."""
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: what asks the network fails at once instead of hanging."""
PEER_INSTANCE = """
import os, shutil
import lamindb_setup
lamindb_setup.init(storage="lamin", modules="bionty")
lamindb_setup.settings.instance._is_on_hub = False  # else it asks the hub
import bionty as bt
import lamindb as ln
tissue = bt.Tissue(name="colon", ontology_id="UBERON:0001155", synonyms="large bowel").save()
above = bt.Tissue(name="intestine", ontology_id="UBERON:0000160").save()
tissue.parents.add(above)
assay = bt.ExperimentalFactor(name="immunohistochemistry", ontology_id="OBI:0001986").save()
bt.Disease(name="Alzheimer disease", ontology_id="MONDO:0004975").save()
features = {"tissue": bt.Tissue, "assay": bt.ExperimentalFactor, "n_nuclei": int}
for name, dtype in features.items():
    ln.Feature(name=name, dtype=dtype).save()
for name, n in {"ihc-nuclei": 298, "ihc-spots": 841}.items():
    store = f"lamin/{name}.zarr"
    shutil.copytree(f"{os.environ['STORES']}/{name}.zarr", store)
    artifact = ln.Artifact(store, kind="dataset", run=False).save()
    artifact.features.add_values({"tissue": tissue, "assay": assay, "n_nuclei": n})
"""
"""What LaminDB's snippets find: an instance of two of the default collection's stores."""


# --- the pages


@dataclass
class Block:
    """One fenced block; `tab` is that which it stands under, `printed` what it should print."""

    language: str
    code: str
    line: int
    tab: str = ""
    printed: str | None = None
    output: tuple[int, int] = (0, 0)
    """Where `printed` stands: the lines of its fences."""
    margin: str = ""


@dataclass
class Page:
    """What a file of Markdown shows; of its blocks those in some `languages` are run."""

    path: Path
    name: str
    languages: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list)

    def snippets(self, side: str) -> list[Block]:
        """Those that run, in order: LaminDB's, or all others."""
        runs = [b for b in self.blocks if b.language in self.languages]
        return [b for b in runs if (b.tab == PEER) == (side == PEER)]


def read_page(path: Path, name: str, *languages: str) -> Page:
    page = Page(path, name, languages)
    lines = path.read_text("utf-8").splitlines()
    tab, opened, end = "", None, -1
    for i, line in enumerate(lines):
        if opened is None:
            if match := re.match(r'=== "(.+)"$', line):
                tab = match[1]
            elif line[:1].strip():
                tab = ""
        fence = re.match(r"( *)```(\w*)$", line)
        if fence is None:
            continue
        if opened is None:
            opened = i
            continue
        margin, language = re.match(r"( *)```(\w*)", lines[opened]).groups()  # type: ignore[union-attr]
        text = dedent("\n".join(lines[opened + 1 : i]))
        if language == "text" and page.blocks and not "".join(lines[end + 1 : opened]).strip():
            page.blocks[-1].printed, page.blocks[-1].output = text, (opened, i)
        else:
            page.blocks.append(Block(language, text, opened + 1, tab, margin=margin))
        opened, end = None, i
    assert opened is None, f"{page.name}: a block has no end"
    return page


DOCS = docs_dir() / "docs"
PAGES = [
    read_page(ROOT / "README.md", "README.md", "python"),
    *(
        read_page(path, path.relative_to(DOCS).as_posix(), "python", "sh", "sql")
        for path in sorted(DOCS.rglob("*.md"))
    ),
]
OURS = [page for page in PAGES if page.snippets("")]
PEERS = [page for page in PAGES if page.snippets(PEER)]


# --- where they run

Answers = list[list[str]]
"""What each block printed, and its fault."""


@dataclass(frozen=True)
class Runs:
    """What the chosen tests will be told, by name of the page."""

    ours: Mapping[str, Future[Answers]]
    peers: Future[Mapping[str, Answers]]


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory, local_stores) -> Iterator[Runs]:
    """Two processes at a time run the pages that were chosen, the longest first."""
    chosen = {
        (i.originalname, i.callspec.params["page"].name)
        for i in request.session.items
        if i.module is request.module and "runs" in i.fixturenames
    }
    pages = [p for p in OURS if (test_what_a_page_shows_works.__name__, p.name) in chosen]
    theirs = [p for p in PEERS if (test_what_it_shows_of_lamindb_works.__name__, p.name) in chosen]
    folder = tmp_path_factory.mktemp("pages")
    with ThreadPoolExecutor(2) as pool:
        peers = pool.submit(run_peers, theirs, folder / "lamindb")
        checkout = build(folder / "checkout", local_stores)
        with start(checkout / "site", prefix=urlsplit(ADDRESS).path) as address:
            first = sorted(pages, key=lambda page: page.name not in IN_ML)
            ours = {
                page.name: pool.submit(run_ours, page, checkout, address, folder / str(n))
                for n, page in enumerate(first)
            }
            yield Runs(ours, peers)
            pool.shutdown(cancel_futures=True)


def build(root: Path, stores: Path) -> Path:
    """What the curator of the default collection has: manifest, stores, the finished site."""
    shutil.copytree(ROOT / "data_manifest", root / "data_manifest")
    shutil.copy(ROOT / "site_config.yaml", root)
    shutil.copytree(stores, root / "stores")
    for made in (ROOT / ".portal" / "cache").glob("[!.]*/"):
        link_tree(made, root / ".portal" / "cache" / made.name)
    report = build_site(load_config(root / "site_config.yaml"), root / "site")
    assert [p for p in report.problems if p.severity == "error"] == []
    return root


def run_ours(page: Page, checkout: Path, address: str, folder: Path) -> Answers:
    """In a checkout of its own, which has an export of LaminDB beside it."""
    python = ML_PYTHON if page.name in IN_ML else Path(sys.executable)
    if not python.is_file():
        return []
    shutil.copytree(checkout / "data_manifest", folder / "data_manifest")
    shutil.copy(checkout / "site_config.yaml", folder)
    for name in ("stores", "site"):
        (folder / name).symlink_to(checkout / name)
    shutil.copy(ROOT / "tests" / "lamin" / "artifacts.csv", folder)
    here, there = address.removesuffix("/"), ADDRESS.removesuffix("/")
    # DuckDB would fetch an extension to read an address.
    place = {"python": here, "sh": here, "sql": "site"}
    codes = [[b.language, b.code.replace(there, place[b.language])] for b in page.snippets("")]
    (answers,) = run(python, [codes], folder)
    return [[as_read(printed, here, folder), fault] for printed, fault in answers]


def run_peers(pages: Sequence[Page], folder: Path) -> Mapping[str, Answers]:
    """All pages in one process, since LaminDB takes long to start."""
    if not pages or not PEER_PYTHON.is_file():
        return {}
    folder.mkdir()
    codes = [[[b.language, b.code] for b in page.snippets(PEER)] for page in pages]
    ((made,), *answers) = run(PEER_PYTHON, [[["python", PEER_INSTANCE]], *codes], folder)
    assert not made[1], made[1]
    return dict(zip([page.name for page in pages], answers, strict=True))


def run(python: Path, pages: Sequence[Sequence[Sequence[str]]], folder: Path) -> list[Answers]:
    """What the blocks of pages print, in one process."""
    asked, said = folder / ".asked.json", folder / ".said.json"
    asked.write_text(json.dumps([{"folder": str(folder), "blocks": blocks} for blocks in pages]))
    environment = os.environ | {
        "COLUMNS": "96",
        "OMP_NUM_THREADS": "1",  # so small a network gains nothing from more
        "SOURCE_DATE_EPOCH": "1700000000",
        "STORES": str(ROOT / "stores"),
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "LAMIN_SETTINGS_DIR": str(folder / "settings"),
        "NO_PROXY": "127.0.0.1",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE),
    }
    environment.pop("PORTAL_CACHE", None)
    done = subprocess.run(
        [str(python), "-W", "ignore", str(ROOT / "tests" / "snippets.py"), str(asked), str(said)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=ENOUGH,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(said.read_text("utf-8"))


def as_read(printed: str, here: str, folder: Path) -> str:
    """An output as a reader of the page would see it, columns as wide as they were."""
    there = ADDRESS.removesuffix("/")
    printed = re.sub(
        rf"{re.escape(here)}(\S*)(?= )",
        lambda m: f"{there}{m[1]}".ljust(len(m[0])),
        printed,
    )
    return printed.replace(here, there).replace(str(folder), HOME)


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


def check(page: Page, blocks: Sequence[Block], answers: Answers) -> None:
    """Whether all went as the page says."""
    told = []
    for block, (printed, fault) in zip(blocks, answers, strict=True):
        if not fault and block.printed is None:
            continue
        if block.printed is not None and matches(printed, block.printed):
            continue
        instead = f"and not:\n{block.printed}" if block.printed is not None else ""
        told.append(f"{page.name}:{block.line} prints:\n{printed}\n{fault}\n{instead}")
        block.printed = printed if block.printed is not None else None
    if told and os.environ.get("UPDATE_GOLDENS"):
        write(page)
    assert not told, "\n".join(told)


def write(page: Page) -> None:
    """The outputs into the page, which may be another by now."""
    lines = page.path.read_text("utf-8").splitlines()
    present = read_page(page.path, page.name).blocks
    for block, now in reversed(list(zip(page.blocks, present, strict=True))):
        if block.printed is not None:
            first, last = now.output
            lines[first + 1 : last] = indent(plain(block.printed), now.margin).splitlines()
    page.path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.name)
def test_what_a_page_shows_works(page, runs):
    answers = runs.ours[page.name].result()
    blocks = page.snippets("")
    if not answers:
        pytest.skip(f"no .venv-ml: {len(blocks)} snippets were not run")
    check(page, blocks, answers)


@pytest.mark.parametrize("page", PEERS, ids=lambda page: page.name)
def test_what_it_shows_of_lamindb_works(page, runs):
    blocks = page.snippets(PEER)
    if not PEER_PYTHON.is_file():
        pytest.skip(
            f"no LaminDB: {len(blocks)} snippets were not run; `python -m benchmarks.curation` has it"
        )
    check(page, blocks, runs.peers.result()[page.name])


def test_the_pages_for_python_show_lamindb_s_way_too():
    pages = {page.name for page in PAGES if page.name.startswith("python/")}
    assert pages - {page.name for page in PEERS} == PEER_ALONE


def test_an_output_may_leave_out_lines_and_parts_of_lines():
    assert matches("a\nb 1\nc\n", "a\nb …\nc")
    assert matches("a\nb\nc\nd\n", "a\n…\nd")
    assert not matches("a\nb\n", "a")
    assert not matches("a 1\n", "b …")
