"""The shell: prose through MkDocs, blank pages to fill, and the policy that every page carries."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from portal.config import SiteConfig, load_config
from portal.csp import inline_hashes, policy
from portal.entry import Citation, Contact, Entry, Term, Version
from portal.errors import BuildError
from portal.resources import docs_dir, templates_dir
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


def test_pages_in_a_folder_stand_together_in_the_navigation(site: tuple[Path, Shell]) -> None:
    out, _ = site
    page = (out / "docs" / "using" / "index.html").read_text("utf-8")
    titles = [" ".join(t.split()) for t in re.findall(r'md-ellipsis">([^<]*)<', page)]
    start = titles.index("Python")
    pages = ["From Python", "Query by metadata", "Search and look up", "Describe", "Load"]
    assert [t for t in titles[start + 1 :] if t][: len(pages)] == pages


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


def test_a_script_in_the_prose_is_not_allowed_to_run(tmp_path: Path) -> None:
    prose = "# Fields\n\n<script>alert(1)</script>\n\n<style>body { color: red }</style>\n"
    generated = GENERATED | {"docs/fields.md": prose}
    out = tmp_path / "out"
    build_shell(config(), out, tmp_path / "work", generated=generated, assets=ASSETS)
    text = (out / "docs" / "fields" / "index.html").read_text("utf-8")
    allowed = text.partition('http-equiv="Content-Security-Policy"')[2].partition(">")[0]
    theme = inline_hashes((out / "docs" / "columns" / "index.html").read_text("utf-8"))
    own = set(inline_hashes(text).scripts) - set(theme.scripts)
    assert len(own) == 1
    assert not [h for h in own if h in html.unescape(allowed)]
    assert not [h for h in inline_hashes(text).styles if h in html.unescape(allowed)]
    assert all(h in html.unescape(allowed) for h in theme.scripts)


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
        asked = [a for a in asked if not a.startswith("data:")]  # the icon
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


def test_a_new_portal_has_a_config_that_is_read_and_a_workflow_that_passes_the_address() -> None:
    init = templates_dir() / "init"
    settings = load_config(init / "site_config.yaml")
    assert settings.base_url == ""
    assert "base_url" in (init / "site_config.yaml").read_text("utf-8")
    workflow = yaml.safe_load((init / "portal.yml").read_text("utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    pages = next(s for s in steps if s.get("uses", "").startswith("actions/configure-pages@"))
    assert pages["id"] == "pages"
    assert not [s for s in steps if "${{" in s.get("run", "")]
    build_step = next(s for s in steps if "portal rehearse" in s.get("run", ""))
    assert '--base-url "$BASE_URL/"' in build_step["run"]
    assert build_step["env"]["BASE_URL"] == "${{ steps.pages.outputs.base_url }}"
    assert steps.index(pages) < steps.index(build_step)


def test_the_404_page_finds_its_way_back_from_a_folder(tmp_path: Path) -> None:
    build(tmp_path, [plain_record("a")], settings=config(base_url="https://e.org/some/portal/"))
    links = [a["href"] for a in Page((tmp_path / "404.html").read_text("utf-8")).all("a")]
    assert links == ["/some/portal/browse/", "/some/portal/"]


@pytest.mark.parametrize("model", [Entry, Term, Citation, Contact, Version])
def test_every_key_of_an_entry_is_documented(model: type[BaseModel]) -> None:
    text = (docs_dir() / "docs" / "curators.md").read_text("utf-8")
    keys = [name for name, f in model.model_fields.items() if not f.exclude]
    assert [k for k in keys if f"`{k}`" not in text] == []
    assert "'{store}'" in text
    assert "{id: 'NCBITaxon:9606', label: Homo sapiens, written: human}" in text


def test_every_key_of_the_config_is_documented() -> None:
    text = (docs_dir() / "docs" / "maintainers.md").read_text("utf-8")
    keys = []
    for name, f in SiteConfig.model_fields.items():
        section = f.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [f"{name}.{key}" for key in section.model_fields]
        elif not f.exclude:
            keys.append(name)
    assert [k for k in keys if f"`{k}`" not in text] == []
    assert "portal build --base-url " in text


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
