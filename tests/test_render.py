"""The pages: what they show, where they lead, and that they stay whole with any input."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from portal.cards import glyph_of
from portal.copying import publish_copy
from portal.entry import Collection
from portal.prose import summary, to_html
from portal.record import CitationText, License, Picture, Products, Record, Value, View
from portal.render import PAGE_SIZE
from portal.resources import templates_dir
from portal.serve import start
from portal.snippets import snippets_of
from portal.words import size, slugify
from tests.sitekit import (
    Page,
    bare_shell,
    build,
    compare_golden,
    config,
    plain_record,
    record,
    store_facts,
)

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "{{7*7}}{% raw %}",
    "\u202eright to left\u202e \u2066isolated",
    "W" * 300,
    "🧠" * 100,
    "a\0b -- ' ; DROP TABLE x",
]


def read(out: Path, address: str) -> str:
    return (out / address / "index.html").read_text("utf-8")


def many(n: int) -> list[Record]:
    """Records of which a later one is newer."""
    return [
        plain_record(f"a{i:04}", f"20{10 + i // 300}-{1 + i // 28 % 12:02}-{1 + i % 28:02}")
        for i in range(n)
    ]


# -- goldens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["index.html", "browse/index.html", "datasets/brain-1/index.html", "404.html"]
)
def test_golden(address: str, tmp_path: Path) -> None:
    """UPDATE_GOLDENS=1 writes them anew: read the difference before you commit it."""
    records = [
        record(),
        plain_record("bare"),
        plain_record("gone", status="withdrawn", reason="Why."),
    ]
    build(tmp_path, records, settings=config(base_url="https://example.org/portal/"))
    compare_golden((tmp_path / address).read_text("utf-8"), address.replace("/", "--"))


# -- what a page shows ---------------------------------------------------------------------------


def test_the_view_figure_keeps_its_contract_with_the_script(tmp_path: Path) -> None:
    build(tmp_path, [record()])
    page = Page(read(tmp_path, "datasets/brain-1"))
    figure = next(a for a in page.all("figure") if "data-view" in a)
    assert urlsplit(figure["data-view"]).path.endswith("datasets/brain-1/vitessce.json")
    assert figure["data-viewer"] == "../../assets/vitessce/vitessce-TEST.js"
    assert figure["data-title"] == record().title
    attributes = {name for _, a in page.tags for name in a}
    assert {"data-view-open", "data-view-full", "data-view-stage", "data-view-state"} <= attributes
    modules = [a["src"] for a in page.all("script") if a.get("type") == "module"]
    assert modules == ["../../assets/view-TEST.js"]
    assert "31,285 of 32,285 genes." in page.text


def test_a_page_without_a_view_gives_the_reason(tmp_path: Path) -> None:
    why = "The store is out of reach."
    build(tmp_path, [plain_record("a", products=Products(view=View(reason=why)))])
    html = read(tmp_path, "datasets/a")
    assert why in html
    assert "data-view" not in html
    assert "No scan has reached this store yet" in html


def test_every_element_and_its_categories_are_on_the_page(tmp_path: Path) -> None:
    build(tmp_path, [record()])
    text = Page(read(tmp_path, "datasets/brain-1")).text
    for said in ("3 × 1,998 × 2,000", "3,355 circles", "3,355 × 32,285", "obs: cluster (20)"):
        assert said in text
    assert "group 19" in text
    assert "and 8 more" in text


def test_values_say_where_they_are_from(tmp_path: Path) -> None:
    build(tmp_path, [record()])
    html = read(tmp_path, "datasets/brain-1")
    assert 'title="store attribute metadata_visium.Spots">scanned' in html
    assert '<a class="p-term" href="../../by/tissue/brain/"' in html
    assert "written “Mouse”" in html


def test_unknown_is_said_and_counted(tmp_path: Path) -> None:
    build(tmp_path, [record(), plain_record("a"), plain_record("b")])
    assert Page(read(tmp_path, "datasets/a")).text.count("unknown") >= 8
    value = Page(read(tmp_path, "by/tissue/unknown"))
    assert "2 artifacts" in value.text


def test_snippets_quote_what_comes_from_an_entry(tmp_path: Path) -> None:
    url = "s3://bucket/$(touch x)'\"; rm -rf /.zarr"
    build(tmp_path, [plain_record("a", url=url)])
    code = unescape(re.sub(r"<[^>]+>", "", read(tmp_path, "datasets/a")))
    assert """'s3://bucket/$(touch x)'"'"'"; rm -rf /.zarr' a.zarr""" in code


ODD_NAMES = (
    "zarr.json",
    "images/a b/0.0",
    "#1",
    "what?/x%20y",
    "[1-3]/{a,b}",
    "ä'\"$(id)&;/ 0 ",
    "\\n",
)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_the_command_line_fetches_a_published_copy_with_any_names(
    packed: bool, tmp_path: Path
) -> None:
    needed = ("sh", "curl", "unzip" if packed else "jq")
    absent = [tool for tool in needed if not shutil.which(tool)]
    if absent:
        pytest.skip(f"not on this machine: {', '.join(absent)}")
    source, site, work = (tmp_path / name for name in ("source.zarr", "site", "work"))
    for i, name in enumerate(ODD_NAMES):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]) * (i + 1))
    given = source
    if packed:
        given = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", source))
    copy = publish_copy(given, site / "data" / "brain-1", "brain-1")
    work.mkdir()
    with start(site) as address:
        snippets = snippets_of(record(products=Products(copy=copy)), address)
        code = {s.key: unescape(re.sub(r"</?[sib]>", "", s.code)) for s in snippets}
        fetch = code["sh"].partition("\n\n")[0]
        done = subprocess.run(
            ["sh", "-c", fetch], cwd=work, capture_output=True, text=True, check=False, timeout=60
        )
    assert (done.returncode, done.stderr.strip()) == (0, "") or (packed and not done.returncode)
    assert 'db.get("brain-1")' in code["py"]
    assert "artifact.load()" in code["py"]
    fetched = work / "brain-1.zarr"
    assert {p.relative_to(fetched) for p in fetched.rglob("*") if p.is_file()} == {
        Path(name) for name in ODD_NAMES
    }
    for name in ODD_NAMES:
        assert (fetched / name).read_bytes() == (source / name).read_bytes()


def test_structured_data_is_json_and_says_what_is_known(tmp_path: Path) -> None:
    build(tmp_path, [record()], settings=config(base_url="https://example.org/p/"))
    html = read(tmp_path, "datasets/brain-1")
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', html, re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert data["@type"] == "Dataset"
    assert data["url"] == "https://example.org/p/datasets/brain-1/"
    assert data["license"].startswith("https://creativecommons.org/")
    assert data["creator"] == [{"@type": "Person", "name": "J Doe"}]
    assert data["measurementTechnique"] == ["Visium"]
    assert '<link rel="canonical" href="https://example.org/p/datasets/brain-1/">' in html
    assert 'property="og:image" content="https://example.org/p/datasets/brain-1/thumb.webp"' in html


def test_report_links_fill_in_the_title_where_the_tracker_takes_one(tmp_path: Path) -> None:
    for address, expected in (
        ("https://github.com/o/r/issues/new", "https://github.com/o/r/issues/new?title=a%3A%20"),
        ("https://example.org/contact", "https://example.org/contact"),
        ("javascript:alert(1)", None),
    ):
        out = tmp_path / str(len(address))
        build(out, [plain_record("a")], settings=config(report_url=address))
        links = [a.get("href") for a in Page(read(out, "datasets/a")).all("a")]
        assert (
            (expected in links) if expected else not any("javascript" in (x or "") for x in links)
        )


# -- addresses ----------------------------------------------------------------------------------


def links_of(out: Path, base_path: str = "") -> list[tuple[str, str]]:
    """(page, address) of every link inside the site that leads nowhere."""
    made_elsewhere = ("catalog/", "docs/", "about/", "data/", "assets/")
    broken = []
    for path in out.rglob("*.html"):
        folder = path.parent
        for _, attributes in Page(path.read_text("utf-8")).tags:
            address = attributes.get("href", "")
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not parts.path:
                continue
            target = (
                out / unquote(parts.path.removeprefix(base_path)).lstrip("/")
                if parts.path.startswith("/")
                else folder / unquote(parts.path)
            )
            name = os.path.relpath(target.resolve(), out.resolve()) + "/"
            if name.startswith(made_elsewhere) or name.endswith(
                (
                    "artifact.json/",
                    "croissant.json/",
                    "entry.schema.json/",
                    "vitessce.json/",
                    ".webp/",
                )
            ):
                continue
            if not (target / "index.html").is_file():
                broken.append((str(path.relative_to(out)), address))
    return broken


@pytest.mark.parametrize("base", ["", "https://example.org/sub/path/"])
def test_every_link_leads_somewhere(base: str, tmp_path: Path) -> None:
    records = [
        record(aliases=("old-brain",), derived_from=("a0001", "elsewhere")),
        record("brain-2", status="superseded", superseded_by="brain-1"),
        *many(120),
    ]
    build(tmp_path, records, settings=config(base_url=base))
    assert links_of(tmp_path, urlsplit(base).path) == []


def test_every_page_is_reachable_from_home(tmp_path: Path) -> None:
    build(tmp_path, [record(), *many(120)])
    seen, todo = set(), [tmp_path / "index.html"]
    todo += [tmp_path / "browse" / "index.html", tmp_path / "collections" / "index.html"]  # tabs
    while todo:
        page = todo.pop().resolve()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        for a in Page(page.read_text("utf-8")).all("a"):
            parts = urlsplit(a.get("href", ""))
            if not parts.scheme and parts.path:
                todo.append(page.parent / parts.path / "index.html")
    every = {p.resolve() for p in tmp_path.rglob("index.html")}
    lost = {str(p.relative_to(tmp_path.resolve())) for p in every - seen}
    # a collection of nothing is not listed, but its address lives
    assert lost == {"collections/empty/index.html"}


def test_former_ids_lead_to_the_present_one(tmp_path: Path) -> None:
    build(tmp_path, [record(aliases=("old",))], settings=config(base_url="https://e.org/"))
    html = read(tmp_path, "datasets/old")
    assert '<meta http-equiv="refresh" content="0; url=../brain-1/">' in html
    assert '<link rel="canonical" href="https://e.org/datasets/brain-1/">' in html
    assert 'name="robots" content="noindex"' in html
    assert "datasets/old/" not in (tmp_path / "sitemap.xml").read_text("utf-8")


def test_withdrawn_superseded_and_announced_artifacts_keep_their_pages(tmp_path: Path) -> None:
    records = [
        record(),
        record("gone", status="withdrawn", reason="The donor withdrew."),
        record("older", status="superseded", superseded_by="brain-1"),
        plain_record("soon", status="announced"),
    ]
    build(tmp_path, records)
    gone = read(tmp_path, "datasets/gone")
    assert "The donor withdrew." in gone
    assert "data-view" not in gone
    assert "aws s3" not in gone
    assert "p-poster" not in gone
    assert '<a href="../../datasets/brain-1/">' in read(tmp_path, "datasets/older")
    assert "Not available yet." in read(tmp_path, "datasets/soon")
    browse = read(tmp_path, "browse")
    assert "datasets/gone/" not in browse
    assert "datasets/older/" not in browse
    assert "datasets/soon/" in browse


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({"status": "withdrawn", "reason": "Why."}, {}),
        ({"status": "announced"}, {}),
        ({}, {"data": {"publish": "none"}}),
    ],
    ids=["withdrawn", "announced", "publish none"],
)
def test_what_is_not_offered_has_no_address_of_the_store_on_its_page(
    fields: dict[str, object], settings: dict[str, object], tmp_path: Path
) -> None:
    given = record(
        url="https://data.example.org/secret.zarr",
        versions=({"version": "1", "url": "https://data.example.org/old-secret.zarr"},),
        **fields,
    )
    build(tmp_path, [given], settings=config(base_url="https://e.org/", **settings))
    html = unescape(read(tmp_path, "datasets/brain-1"))
    for address in ("secret", "data/brain-1/brain-1.zarr", "files.json", "curl", "read_zarr"):
        assert address not in html
    assert "Doe, Jane (2019). Mouse brain." in html
    if fields:
        assert '"distribution"' not in html
        assert "data/brain-1" not in html
        assert "catalog.parquet" not in html
        assert "data-view" not in html
    assert ("thumb" in html) == (fields.get("status") != "withdrawn")
    assert ('id="elements"' in html) == (fields.get("status") != "withdrawn")


def test_numbered_pages_do_not_change_when_an_artifact_is_added(tmp_path: Path) -> None:
    records = many(PAGE_SIZE * 2 + 10)
    newer = plain_record("newest", "2099-01-01")
    build(tmp_path / "before", records)
    build(tmp_path / "after", [*records, newer])
    changed = {
        str(p.relative_to(tmp_path / "after"))
        for p in (tmp_path / "after" / "browse").rglob("*.html")
        if p.read_bytes() != (tmp_path / "before" / p.relative_to(tmp_path / "after")).read_bytes()
    }
    assert changed == {"browse/index.html", "browse/page/3/index.html"}


def test_equal_slugs_get_different_addresses(tmp_path: Path) -> None:
    records = [
        plain_record("a", values={"tissue": (Value(label="B-cell", id="X:1"),)}),
        plain_record("b", values={"tissue": (Value(label="B cell", id="X:2"),)}),
        plain_record("c", values={"tissue": (Value(label="細胞", id="X:3"),)}),
        plain_record("d", values={"tissue": (Value(label="..."),)}),
    ]
    build(tmp_path, records)
    made = sorted(p.name for p in (tmp_path / "by" / "tissue").iterdir() if p.is_dir())
    assert made == ["b-cell", "b-cell-x-1", "value", "x-3"]


def test_unchanged_input_makes_unchanged_bytes(tmp_path: Path) -> None:
    records = [record(), *many(60)]
    for name in ("one", "two"):
        build(tmp_path / name, records, settings=config(base_url="https://e.org/"))
    for path in (p for p in (tmp_path / "one").rglob("*") if p.is_file()):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )


# -- empty and odd -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "collections"),
    [([], {}), ([plain_record("only")], {}), ([plain_record("a")], {"c": Collection(name="C")})],
    ids=["nothing", "one artifact", "an empty collection"],
)
def test_a_portal_with_little_in_it_has_whole_pages(
    records: Sequence[Record], collections: dict[str, Collection], tmp_path: Path
) -> None:
    pages = build(tmp_path, records, collections=collections)
    for path in pages:
        page = Page(path.read_text("utf-8"))
        assert page.faults + page.open == [], path
        assert len(page.all("h1")) == 1, path


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text(text: str, tmp_path: Path) -> None:
    evil = Value(label=text, id="X:1", written=f"{text}!", source=f"store attribute {text}")
    facts = store_facts()
    element = facts.elements[0].model_copy(update={"name": text, "channels": (text,), "rgb": None})
    hostile = record(
        "evil",
        title=text,
        description=f"{text}\n\n[link](javascript:alert(1)) ![i](http://e.org/x.png)",
        reason=text,
        values={"tissue": (evil,), "technology": (evil,), text: (evil,)},
        license=License(label=text, url="javascript:alert(1)"),
        url="javascript://x/%0aalert(1)",
        page="javascript:alert(1)",
        obs_noun=text,
        citation=CitationText(text=text, bibtex=text, csl={"title": text}, url="javascript:x"),
        facts=facts.model_copy(update={"elements": (element,), "written_by": text}),
        products=Products(
            picture=Picture(files={320: "t.webp"}, width=320, height=240, alt=text, caption=text),
            view=View(reason=text),
        ),
    )
    pages = build(
        tmp_path,
        [hostile, record()],
        collections={"brains": Collection(name=text, description=text, reference=text)},
        settings=config(base_url="https://e.org/"),
    )
    for path in pages:
        html = path.read_text("utf-8")
        page = Page(html)
        assert page.faults + page.open == [], path
        names = {name for _, attributes in page.tags for name in attributes}
        assert not [n for n in names if n.startswith("on")], path
        scripts = [
            a for a in page.all("script") if a.get("type") not in ("module", "application/ld+json")
        ]
        assert scripts == [], path
        for _, attributes in page.tags:
            for name in ("href", "src", "action"):
                assert not attributes.get(name, "").lower().startswith("javascript"), path
        assert "\u202e" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL), path
        assert "49{" not in html
    feed = (tmp_path / "feed.xml").read_text("utf-8")
    assert "<script" not in feed


def test_markdown_keeps_no_html_and_no_foreign_pictures() -> None:
    html = to_html("# Big\n\n<b onclick=x>b</b> ![alt](https://e.org/t.gif) [x](data:text/html,1)")
    assert "<h3>Big</h3>" in html
    assert "&lt;b onclick" in html
    assert "<img" not in html
    assert "data:" not in re.sub(r"\[x\]\(data[^<]*", "", html)
    assert summary("**One** [two](https://e.org) & three") == "One two & three"
    assert summary("word " * 100).endswith("word…")


# -- what a site may change ------------------------------------------------------------------------


def test_a_site_may_replace_any_template(tmp_path: Path) -> None:
    own = tmp_path / "own" / "partials"
    own.mkdir(parents=True)
    (own / "card.html").write_text("<li>MY CARD {{ card.title }}</li>", "utf-8")
    settings = config(templates="own").model_copy(update={"root": tmp_path})
    build(tmp_path / "out", [record(title="A & B")], settings=settings)
    assert "<li>MY CARD A &amp; B</li>" in read(tmp_path / "out", "browse")


def test_feeds_need_an_address_and_robots_does_not(tmp_path: Path) -> None:
    build(tmp_path / "without", [record()])
    assert not (tmp_path / "without" / "feed.xml").exists()
    assert (tmp_path / "without" / "robots.txt").is_file()
    build(tmp_path / "with", [record()], settings=config(base_url="https://e.org/x/"))
    feed = (tmp_path / "with" / "feed.xml").read_text("utf-8")
    assert "<id>https://e.org/x/datasets/brain-1/</id>" in feed
    assert "<updated>2019-12-02T00:00:00Z</updated>" in feed
    assert "Disallow: /x/data/" in (tmp_path / "with" / "robots.txt").read_text("utf-8")


def test_what_has_no_date_is_not_in_the_feed(tmp_path: Path) -> None:
    undated = plain_record("undated").model_copy(update={"published": None})
    odd = plain_record("odd", "about 2020")
    settings = config(base_url="https://e.org/")
    build(tmp_path / "some", [plain_record("dated", "2020-05"), undated, odd], settings=settings)
    feed = (tmp_path / "some" / "feed.xml").read_text("utf-8")
    assert re.findall(r"<updated>(.*?)</updated>", feed) == ["2020-05-01T00:00:00Z"] * 2
    assert "undated" not in feed
    assert "1970" not in feed
    build(tmp_path / "none", [undated], settings=settings)
    assert not (tmp_path / "none" / "feed.xml").exists()
    assert "feed.xml" not in (tmp_path / "none" / "index.html").read_text("utf-8")


def test_the_picture_that_shows_most_leads_on_home(tmp_path: Path) -> None:
    picture = Picture(files={320: "t.webp"}, width=320, height=240, alt="x")
    image_only = store_facts().model_copy(update={"elements": store_facts().elements[:1]})
    pictured = {"products": Products(picture=picture)}
    records = [
        plain_record("z-image", facts=image_only, **pictured),
        plain_record("y-bins", facts=store_facts(), n_obs=9000, obs_noun="bins", **pictured),
        plain_record("x-nuclei", facts=store_facts(), n_obs=298, obs_noun="nuclei", **pictured),
    ]
    build(tmp_path, records)
    strip = read(tmp_path, ".").partition('class="p-strip')[2]
    assert re.findall(r'<li><a href="datasets/([^/]+)/"><img', strip) == [
        "x-nuclei",
        "y-bins",
        "z-image",
    ]


@pytest.mark.parametrize(
    ("technology", "glyph"),
    [("Visium HD", "spots"), ("unknown", "unknown"), ("Photography", "other"), ("tissue", "other")],
)
def test_only_what_is_unknown_has_a_question_mark(technology: str, glyph: str) -> None:
    assert glyph_of(technology) == glyph
    assert f'id="i-tech-{glyph}"' in (templates_dir() / "icons.svg").read_text("utf-8")


def test_the_day_of_publication_is_not_part_of_the_licence(tmp_path: Path) -> None:
    build(tmp_path, [record(versions=()), record("b")])
    html = read(tmp_path, "datasets/brain-1")
    assert "<span>published 2019-12-02</span>" in html.partition("p-facts")[0]
    assert "published" not in html.partition("p-facts")[2].partition("</dl>")[0]
    assert "published" not in read(tmp_path, "datasets/b").partition("p-facts")[0]  # the version's


def test_slugs_are_short_cut_at_a_word_and_ascii() -> None:
    assert slugify("Fresh Frozen: A & B (FFPE)") == "fresh-frozen-a-b-ffpe"
    assert slugify("word " * 40) == "-".join(["word"] * 16)
    assert slugify("x" * 100) == "x" * 80
    assert slugify("Café à Genève, Straße") == "cafe-a-geneve-strasse"
    assert slugify("細胞") == ""


def test_sizes_roll_over_to_the_next_unit() -> None:
    assert [size(n) for n in (999, 999_499, 999_500, 49_900_000, 250 * 10**9, None)] == [
        "999 B",
        "999 kB",
        "1.0 MB",
        "49.9 MB",
        "250 GB",
        "size unknown",
    ]


def test_the_shell_finds_its_root_from_any_depth() -> None:
    shell = bare_shell(base_url="https://e.org/p/")
    assert [shell.root(d) for d in (0, 2, -1)] == ["", "../../", "/p/"]
