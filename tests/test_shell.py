"""The shell: prose through MkDocs, blank pages to fill, and the policy that every page carries."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest

from portal.csp import inline_hashes, policy
from portal.errors import BuildError
from portal.shell import DEPTHS, Shell, build_shell
from tests.sitekit import ASSETS, Page, build, config, plain_record, record

GENERATED = {f"docs/{name}.md": f"# {name}\n" for name in ("columns", "fields", "problems")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shell]:
    """A whole site through MkDocs: shell, prose and pages."""
    out = tmp_path_factory.mktemp("site") / "out"
    work = out.parent / "work"
    shell = build_shell(config(), out, work, generated=GENERATED, assets=ASSETS)
    records = [record(), *(plain_record(f"a{i}", f"2021-01-{i + 1:02}") for i in range(4))]
    build(out, records, shell=shell)
    return out, shell


def test_prose_is_built_and_blank_pages_stay_behind(site: tuple[Path, Shell]) -> None:
    out, _ = site
    for page in ("about", "docs", "docs/using", "docs/curators", "docs/columns"):
        assert (out / page / "index.html").is_file()
    assert not (out / "shell").exists()
    assert not list(out.rglob("*.map"))
    assert not list(out.rglob("*search*.js"))


def test_there_is_a_shell_for_each_depth_and_the_404_page(site: tuple[Path, Shell]) -> None:
    _, shell = site
    assert sorted(shell.pages) == [-1, *range(DEPTHS)]
    for depth in shell.pages:
        page = shell.wrap(depth, title="A & <b>", head="<!--h-->", content="<h1>x</h1>", tab="home")
        assert "<title>A &amp; &lt;b&gt; · Test portal</title>" in page
        assert "portal:" not in page.replace("portal:csp", "")
        assert "@@" not in page


def test_tabs_lead_to_the_sections_and_one_is_current(site: tuple[Path, Shell]) -> None:
    _, shell = site
    page = shell.wrap(2, title="x", head="", content="", tab="browse")
    tabs = re.findall(r'<a href="([^"]*)" class="md-tabs__link"([^>]*)>([^<]*)</a>', page)
    assert [t[2] for t in tabs] == ["Home", "Browse", "Collections", "Docs", "About"]
    assert [t[2] for t in tabs if "aria-current" in t[1]] == ["Browse"]
    assert tabs[1][0] == "../../browse/"


def test_every_page_has_a_policy_that_allows_its_inline_scripts(site: tuple[Path, Shell]) -> None:
    out, _ = site
    for path in out.rglob("*.html"):
        text = path.read_text("utf-8")
        found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        assert found, path
        allowed = html.unescape(found[1])
        assert text.index("Content-Security-Policy") < text.index("<script")
        assert "unsafe-eval'" not in allowed.replace("'wasm-unsafe-eval'", "")
        for attributes, code in re.findall(r"<script\b([^>]*)>(.*?)</script>", text, re.DOTALL):
            if "src=" in attributes or "json" in attributes:
                continue
            digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in allowed, path


def test_only_pages_with_a_view_get_what_the_viewer_needs(site: tuple[Path, Shell]) -> None:
    out, _ = site
    with_view = {
        p.parent.name for p in out.rglob("*.html") if "wasm-unsafe-eval" in p.read_text("utf-8")
    }
    assert with_view == {"brain-1"}


def test_the_viewer_may_read_from_the_configured_origins_only() -> None:
    meta = policy(inline_hashes(""), viewer=True, origins=["https://data.example.org"])
    assert "connect-src &#x27;self&#x27; blob: data: https://data.example.org;" in meta
    assert "example.org" not in policy(inline_hashes(""), viewer=False, origins=["https://x.org"])


def test_no_page_asks_anything_of_another_origin(site: tuple[Path, Shell]) -> None:
    out, _ = site
    for path in out.rglob("*.html"):
        page = Page(path.read_text("utf-8"))
        asked = [a.get("src", "") for t in ("script", "img", "iframe") for a in page.all(t)]
        asked += [a.get("href", "") for a in page.all("link") if a.get("rel") != "canonical"]
        assert not [a for a in asked if "//" in a], path
        assert not [a for _, a in page.tags if "style" in a], path


def test_every_page_has_a_language_a_title_and_one_heading(site: tuple[Path, Shell]) -> None:
    out, _ = site
    for path in out.rglob("*.html"):
        page = Page(path.read_text("utf-8"))
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == 1, path
        assert re.search(r"<title>[^<]+</title>", path.read_text("utf-8")), path
        ids = [a["id"] for _, a in page.tags if "id" in a]
        assert len(ids) == len(set(ids)), path


def test_search_is_a_form_only_where_it_works(tmp_path: Path, site: tuple[Path, Shell]) -> None:
    assert "data-search" not in site[1].pages[1]
    shell = build_shell(
        config(),
        tmp_path / "out",
        tmp_path / "work",
        generated=GENERATED,
        search=True,
        assets=ASSETS,
    )
    forms = Page(shell.wrap(2, title="x", head="", content="", tab="")).all("form")
    assert {"role": "search", "action": "../../browse/"}.items() <= forms[0].items()


def test_a_site_has_its_own_prose_styles_and_logo(tmp_path: Path) -> None:
    root = tmp_path / "portal"
    (root / "pages" / "docs").mkdir(parents=True)
    (root / "pages" / "about.md").write_text("# Who we are\n", "utf-8")
    (root / "pages" / "team.md").write_text("# Team\n", "utf-8")
    (root / "own" / "mkdocs" / "partials").mkdir(parents=True)
    (root / "own" / "mkdocs" / "partials" / "logo.html").write_text("<b>LOGO</b>", "utf-8")
    (root / "house.css").write_text("body { --x: 1 }", "utf-8")
    settings = config(
        docs="pages", templates="own", extra_css=["house.css"], base_url="https://e.org/p"
    )
    settings = settings.model_copy(update={"root": root})
    shell = build_shell(
        settings, tmp_path / "out", tmp_path / "work", generated=GENERATED, assets=ASSETS
    )
    about = (tmp_path / "out" / "about" / "index.html").read_text("utf-8")
    assert "Who we are" in about
    assert "LOGO" in about
    assert ">Team</a>" in about
    assert 'rel="canonical" href="https://e.org/p/about/"' in about
    styles = [a["href"] for a in Page(about).all("link") if "house-" in a.get("href", "")]
    assert len(styles) == 1
    assert (tmp_path / "out" / "about" / styles[0]).resolve().is_file()
    # the 404 page is shown at any address
    assert '"/p/assets/' in shell.pages[-1]
    assert 'href="/p/browse/"' in shell.pages[-1]


def test_prose_may_not_take_an_address_of_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "datasets.md").write_text("# Mine\n", "utf-8")
    settings = config(docs="pages").model_copy(update={"root": tmp_path})
    with pytest.raises(BuildError, match=r"datasets\.md"):
        build_shell(settings, tmp_path / "out", tmp_path / "work", assets=ASSETS)


def test_a_title_with_markup_is_only_text(tmp_path: Path) -> None:
    settings = config(title='Spots & <script>alert("x")</script>')
    shell = build_shell(
        settings, tmp_path / "out", tmp_path / "work", generated=GENERATED, assets=ASSETS
    )
    for page in (shell.pages[0], (tmp_path / "out" / "about" / "index.html").read_text("utf-8")):
        assert "<script>alert" not in page


def test_the_same_input_makes_the_same_shell(tmp_path: Path) -> None:
    shells = [
        build_shell(
            config(),
            tmp_path / f"out{i}",
            tmp_path / f"work{i}",
            generated=GENERATED,
            assets=ASSETS,
        )
        for i in range(2)
    ]
    assert shells[0].pages == shells[1].pages
