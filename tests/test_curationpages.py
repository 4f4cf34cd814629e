"""The pages for curators: their figures, where they lead, and that any text stays text."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from html import unescape
from pathlib import Path

import pytest

from portal.curationpages import SHOWN
from portal.errors import Problem
from portal.record import UNKNOWN, Quality, Record, Value
from portal.schema import Schema, SchemaField, Slot
from portal.schemawords import need_of, needs_of, slot_title, technologies_of, type_of
from tests.sitekit import Page, build, compare_golden, config, plain_record, store_facts

CURATED = Schema(
    name="tested",
    version="2",
    description="A schema with a field of each kind; `unknown` is a value.",
    extends="minimal",
    fields={
        "technology": SchemaField(
            label="Technology",
            group="Assay",
            type="enum",
            open=True,
            required=True,
            facet="term",
            schema_org="measurementTechnique",
            values={
                "Visium": ("10x Visium",),
                **dict.fromkeys(("Xenium", "CosMx", "CODEX", "IMC", "MIBI", "Histology"), ()),
            },
            found_in=("tech.technology", "tech.platform"),
        ),
        "n_spots": SchemaField(
            label="Spots", group="Assay", type="integer", minimum=1, only="Visium", required=True
        ),
        "panel": SchemaField(label="Panel", group="Assay", only="Xenium"),
        "organism": SchemaField(
            label="Organism",
            group="Sample",
            type="term",
            ontology="NCBITaxon",
            many=True,
            required=True,
            facet="term",
            show="italic",
        ),
        "tissue": SchemaField(
            label="Tissue", group="Sample", type="term", ontology="UBERON", required=True
        ),
        "disease": SchemaField(
            label="Disease",
            group="Sample",
            type="term",
            ontology=("MONDO", "PATO:0000461"),
            required=("Visium", "Xenium"),
        ),
        "cell_type": SchemaField(
            label="Cell type", group="Sample", type="term", ontology="CL", obs="cell_type"
        ),
        "sex": SchemaField(group="Sample", type="enum", values={"female": (), "male": ("m",)}),
        "area": SchemaField(label="Area", group="Measured", type="number", unit="µm²", maximum=9),
        "content": SchemaField(label="Content", group="Measured", type="boolean"),
    },
    slots={
        "attrs:sample": Slot(required=True, fields={"id": SchemaField(required=True)}),
        "images": Slot(
            description="One *he* at least.",
            axes="cyx",
            channels=("r", "g"),
            coordinate_systems="global",
            unit="micrometer",
            elements="he",
        ),
        "tables:table:var": Slot(closed=True, index=SchemaField(type="gene", required=True)),
    },
)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% raw %}",
    "`a` <b>`",
    "\u202eright to left\u202e",
]


def curated(id_: str, values: dict[str, str | None], **more: object) -> Record:
    """A record with values by field; its quality is what the schema makes of them.

    `?word` is a word without a term, every other known word has one.
    """
    said: dict[str, tuple[Value, ...]] = {}
    for name, label in values.items():
        if label is not None:
            term = CURATED.fields[name].type == "term" and label[0] != "?" and label != UNKNOWN
            said[name] = (Value(label=label.lstrip("?"), id=f"TEST:{label}" if term else None),)
    asked = [n for n in CURATED.fields if must(n, values.get("technology"))]
    quality = Quality(
        asked=len(asked),
        missing=tuple(n for n in asked if values.get(n) in (None, UNKNOWN)),
        without_term=tuple(n for n, label in values.items() if (label or "")[:1] == "?"),
    )
    more = {"quality": quality} | more
    return plain_record(id_, values=said, **more)


def must(name: str, technology: str | None) -> bool:
    """Whether an artifact must have a field, told apart from the code that decides it."""
    return name in {
        None: ("technology", "organism", "tissue"),
        UNKNOWN: ("technology", "organism", "tissue"),
        "Visium": ("technology", "organism", "tissue", "n_spots", "disease"),
        "Xenium": ("technology", "organism", "tissue", "disease"),
    }.get(technology, ("technology", "organism", "tissue"))


def can(name: str, technology: str | None) -> bool:
    return {"n_spots": "Visium", "panel": "Xenium"}.get(name, technology) == technology


def collection(n: int = 80) -> list[Record]:
    """Records of which every field is known, said to be unknown, or absent, at random."""
    draw = random.Random(7)
    records = [curated("bare", {"technology": "Visium"})]
    for i in range(n):
        technology = draw.choice(["Visium", "Xenium", "CODEX", UNKNOWN, None])
        values = {
            name: draw.choice(["lung", "brain", "?odd word", "?other word", UNKNOWN, None])
            for name in CURATED.fields
            if can(name, technology)
        }
        status = draw.choice(["pass", "warn", "fail", "declared"])
        records.append(
            curated(f"a{i:03}", values | {"technology": technology}, validation_status=status)
        )
    return records


def quality(out: Path, records: Sequence[Record], **more: object) -> str:
    build(out, records, settings=config(**more), schema=CURATED)
    return (out / "quality" / "index.html").read_text("utf-8")


def schema_page(out: Path, schema: Schema = CURATED, **more: object) -> str:
    build(out, [], settings=config(**more), schema=schema)
    return (out / "schema" / "index.html").read_text("utf-8")


def rows(html: str) -> dict[str, list[str]]:
    """By the label of a field, the texts of its cells: share, then the five numbers."""
    found = {}
    for row in re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", html, re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        texts = [text(c) for c in cells]
        found[texts[0]] = texts[1:]
    return found


def text(html: str) -> str:
    """What is read of some HTML, of two ways to the same page only one."""
    once = re.sub(r'<a class="p-unscripted".*?</a>', "", html)
    return unescape(" ".join(re.sub(r"<[^>]+>", "", once).split()))


def section(html: str, id_: str) -> str:
    return html.partition(f'<section class="p-sec" id="{id_}"')[2].partition("</section>")[0]


# -- goldens -------------------------------------------------------------------------------------


def few() -> list[Record]:
    """Three artifacts that show every part of the page."""
    whole = {"technology": "Xenium", "organism": "Mus musculus", "tissue": "brain"}
    differs = Problem(
        code="metadata-differs",
        severity="info",
        where="a.yaml:3",
        what="Tissue: the entry says `brain`, the store says `lung`.",
    )
    found = Problem(code="chunk-empty", severity="error", where="b.zarr", what="empty")
    twin = Quality(asked=5, missing=("tissue", "disease"), duplicates=("c",))
    bare = Quality(asked=3, missing=("technology", "organism", "tissue"), duplicates=("b",))
    return [
        curated(
            "a",
            whole | {"disease": "?odd word"},
            quality=Quality(asked=4, differs=("tissue",), without_term=("disease",)),
            problems=(differs,),
            facts=store_facts(),
            validation_status="pass",
        ),
        curated(
            "b",
            whole | {"technology": "Visium", "tissue": UNKNOWN, "n_spots": "12"},
            quality=twin,
            problems=(found,),
            validation_status="fail",
        ),
        curated("c", {}, quality=bare),
    ]


@pytest.mark.parametrize("address", ["quality", "schema"])
def test_golden(address: str, tmp_path: Path) -> None:
    """UPDATE_GOLDENS=1 writes them anew: read the difference before you commit it."""
    settings = config(base_url="https://example.org/portal/")
    build(tmp_path, few(), settings=settings, schema=CURATED)
    made = (tmp_path / address / "index.html").read_text("utf-8")
    compare_golden(made, f"{address}--index.html")


# -- figures -------------------------------------------------------------------------------------


def test_the_figures_of_each_field_are_those_of_a_plain_count(tmp_path: Path) -> None:
    records = collection()
    shown = rows(section(quality(tmp_path, records), "what-is-known"))
    required = {n for n in CURATED.fields if must(n, "Visium")}
    for name, field in CURATED.fields.items():
        known = said = silent = 0
        for record in records:
            technology = next(iter(record.labels("technology")), None)
            if not (must if name in required else can)(name, technology):
                continue
            label = next(iter(record.labels(name)), None)
            silent += label is None
            said += label == UNKNOWN
            known += label not in (None, UNKNOWN)
        numbers = [said + silent, said, silent, known, known + said + silent]
        assert shown[field.label or name.capitalize()][1:] == [str(n) for n in numbers], name


def test_a_number_leads_to_as_many_artifacts(tmp_path: Path) -> None:
    html = quality(tmp_path, collection())
    leads = re.findall(r'href="\.\./(by/missing_fields/[^"]+)">(\d+)</a>', html)
    assert len(leads) == 5
    filtered = re.findall(r'href="\.\./browse/\?missing_fields=(\w+)">(\d+)</a>', html)
    assert [n for _, n in filtered] == [n for _, n in leads]
    for address, n in leads:
        page = Page((tmp_path / address / "index.html").read_text("utf-8"))
        assert f"{n} artifacts" in page.text


def test_the_charts_count_every_artifact_once(tmp_path: Path) -> None:
    records = collection()
    head = quality(tmp_path, records).partition("p-local")[0]
    lines = " ".join(text(li) + ";" for li in re.findall(r"<li><span>.*?</li>", head))
    shown = {name: int(n) for name, n in re.findall(r"(\w[^;]*?)(\d+) artifacts?;", lines)}
    missing = Counter(min(len(r.quality.missing), 4) for r in records)
    names = ["None", "One field", "Two fields", "Three fields", "Four and more"]
    assert [shown[n] for n in names] == [missing[i] for i in range(5)]
    by_status = Counter(r.validation_status for r in records)
    words = {
        "pass": "Passed all checks",
        "warn": "Warnings",
        "fail": "Errors",
        "declared": "Not scanned",
    }
    assert {s: shown[w] for s, w in words.items()} == by_status
    assert len(shown) == 9


def test_the_figures_at_the_top(tmp_path: Path) -> None:
    records = collection()
    head = Page(quality(tmp_path, records).partition("p-charts")[0]).text
    scores = [r.quality.completeness or 0 for r in records]
    assert f"mean completeness {round(sum(scores) / len(scores))} %" in head
    n = sum(bool(r.quality.missing) for r in records)
    assert f"lack a required field {n} of {len(records)}" in head
    words = {
        (name, v.label)
        for r in records
        for name, values in r.values.items()
        for v in values
        if CURATED.fields[name].type == "term" and not v.id and v.label != UNKNOWN
    }
    assert f"words without a term {len(words)}" in head


def test_words_without_a_term_lead_to_their_pages_with_their_numbers(tmp_path: Path) -> None:
    records = collection()
    part = section(quality(tmp_path, records), "no-term")
    found = re.findall(r'href="\.\./by/(\w+)/([^/"]+)/">([^<]+)</a> <span class="p-n">(\d+)', part)
    assert {(column, word): int(n) for column, _, word, n in found} == Counter(
        (name, v.label)
        for r in records
        for name in ("organism", "tissue", "disease", "cell_type")
        for v in r.values.get(name, ())
        if not v.id and v.label != UNKNOWN
    )
    for column, slug, _, _ in found:
        assert (tmp_path / "by" / column / slug / "index.html").is_file()


def test_what_is_nearly_all_is_not_said_to_be_all(tmp_path: Path) -> None:
    records = [curated(f"a{i}", {"tissue": "lung" if i else None}) for i in range(400)]
    assert rows(quality(tmp_path, records))["Tissue"][:2] == ["99 %", "1"]


def test_a_field_of_technologies_that_nobody_has_is_named_apart(tmp_path: Path) -> None:
    html = section(quality(tmp_path, [curated("a", {"technology": "CODEX"})]), "what-is-known")
    assert "Spots" not in rows(html)
    assert "No artifact here is of a technology that has Spots, Panel." in text(html)


# -- lists ---------------------------------------------------------------------------------------


def test_the_least_complete_come_first_and_a_link_has_the_others(tmp_path: Path) -> None:
    records = collection()
    part = section(quality(tmp_path, records), "least-complete")
    shown = re.findall(r'href="\.\./datasets/([^/]+)/', part)
    score = {r.id: r.quality.completeness or 0 for r in records if r.quality.missing}
    assert shown == sorted(score, key=lambda i: (score[i], i))[:SHOWN]
    assert f"{SHOWN} of {len(score)}." in Page(part).text
    assert '<a class="p-scripted" href="../browse/?completeness=..99">' in part
    assert '<a class="p-unscripted" href="../by/missing_fields/">' in part


def test_without_the_facet_there_is_no_link_to_it(tmp_path: Path) -> None:
    html = quality(tmp_path, collection(), facets=[{"column": "technology"}])
    assert "missing_fields=" not in html
    assert "by/missing_fields" not in html
    assert "in its column <code>missing_fields</code>" in html
    assert int(rows(html)["Tissue"][1]) > 0


def test_what_differs_and_what_is_the_same_is_linked(tmp_path: Path) -> None:
    html = quality(tmp_path, few())
    differs = section(html, "disagree")
    assert 'href="../datasets/a/#quality"' in differs
    assert "the store says <code>lung</code>" in differs
    assert "1 artifact with a scanned store was compared" in differs
    same = section(html, "same-store")
    assert re.findall(r'href="\.\./datasets/(\w)/"', same) == ["b", "c"]


def test_an_artifact_that_is_not_listed_is_named_among_those_with_its_store(
    tmp_path: Path,
) -> None:
    records = [
        curated("new", {}, quality=Quality(duplicates=("old",))),
        curated("old", {}, status="withdrawn", quality=Quality(duplicates=("new",))),
    ]
    same = section(quality(tmp_path, records), "same-store")
    assert re.findall(r'href="\.\./datasets/(\w+)/"', same) == ["new", "old"]


def test_many_words_are_folded_and_all_there(tmp_path: Path) -> None:
    records = [curated(f"a{i}", {"tissue": f"?word {i}"}) for i in range(30)]
    part = section(quality(tmp_path, records), "no-term")
    assert "Show all (30)" in Page(part).text
    assert len(re.findall(r"<li><a", part)) == 30
    assert len(re.findall(r"<li><a", part.partition("<details")[0])) == 24


def test_what_the_checks_found_has_its_meaning(tmp_path: Path) -> None:
    part = section(quality(tmp_path, few()), "checks-found")
    assert [cell[:1] for cell in re.findall(r"</svg> (\w+)</span></td>", part)] == ["E", "N"]
    assert "Chunk files have 0 bytes and cannot be decoded" in part
    assert "The entry and the store say different things" in part
    assert '<a class="p-term" href="../docs/problems/">chunk-empty</a>' in part


# -- empty states --------------------------------------------------------------------------------


def test_a_portal_without_artifacts_says_so(tmp_path: Path) -> None:
    html = quality(tmp_path, [])
    assert "Nothing to count yet" in html
    assert "p-sec" not in html


def test_a_collection_without_a_fault_says_so(tmp_path: Path) -> None:
    values = {"technology": "CODEX", "organism": "Mus musculus", "tissue": "brain"}
    html = quality(tmp_path, [curated("a", values, facts=store_facts(), validation_status="pass")])
    for said in (
        "Every word in a field of terms has a term.",
        "No entry says other than its store.",
        "No two artifacts have the same store.",
        "Every artifact has all the fields that it must have.",
        "The checks found nothing to say.",
    ):
        assert said in html
    assert "<dt>mean completeness</dt><dd>100 %</dd>" in html


def test_nothing_is_compared_where_nothing_was_scanned(tmp_path: Path) -> None:
    part = section(quality(tmp_path, [curated("a", {})]), "disagree")
    assert "No store has been scanned yet" in part


def test_a_schema_without_fields_has_whole_pages(tmp_path: Path) -> None:
    build(tmp_path, [plain_record("a")], schema=Schema(fields={}))
    assert "No fields yet" in (tmp_path / "schema" / "index.html").read_text("utf-8")
    html = (tmp_path / "quality" / "index.html").read_text("utf-8")
    assert "The schema of this portal has no fields." in html
    assert "lack a required field" not in html


# -- the schema ----------------------------------------------------------------------------------


def test_every_field_has_its_own_place_on_the_page(tmp_path: Path) -> None:
    page = Page(schema_page(tmp_path))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {n for n in CURATED.fields if n != "content"} <= set(ids)
    assert "content-field" in ids


def test_what_each_technology_needs_is_told_in_words(tmp_path: Path) -> None:
    part = section(schema_page(tmp_path), "by-technology")
    marks = {name: [c.split(maxsplit=1)[1] for c in cells] for name, cells in rows(part).items()}
    assert marks == {
        "Technology": ["required"] * 3,
        "Spots": ["required", "no field", "no field"],
        "Panel": ["no field", "optional", "no field"],
        "Organism": ["required"] * 3,
        "Tissue": ["required"] * 3,
        "Disease": ["required", "required", "optional"],
    }
    assert "Optional for every technology: Cell type, Sex, Area, Content." in text(part)


def test_a_filter_is_linked_where_artifacts_have_values(tmp_path: Path) -> None:
    build(tmp_path, few(), schema=CURATED)
    html = (tmp_path / "schema" / "index.html").read_text("utf-8")
    assert '<a href="../by/tissue/">Filter</a>' in html
    assert "by/cell_type" not in html


def test_many_values_are_folded(tmp_path: Path) -> None:
    html = schema_page(tmp_path)
    folded = html.partition('<tr id="technology">')[2].partition("</tr>")[0]
    assert "Show all (7)" in folded
    assert "<li>Visium <small>also 10x Visium</small></li>" in folded
    assert "<details" not in html.partition('<tr id="sex">')[2].partition("</tr>")[0]


def test_slots_tell_what_the_object_must_have(tmp_path: Path) -> None:
    part = schema_page(tmp_path).partition('id="object-slots"')[2]
    said = Page(part).text
    for words in ("Must be there", "c y x", "r , g", "global", "micrometer", "nothing else may be"):
        assert words in said


@pytest.mark.parametrize(
    ("base", "address"),
    [("", "entry.schema.json"), ("https://e.org/p/", "https://e.org/p/schema/entry.schema.json")],
)
def test_editors_are_told_where_the_json_schema_is(base: str, address: str, tmp_path: Path) -> None:
    html = schema_page(tmp_path, base_url=base)
    assert f"# yaml-language-server: $schema={address}<" in html
    assert ("beside your entries" in html) == (not base)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"type": "term", "ontology": "UBERON"}, "A term of UBERON"),
        ({"type": "term", "ontology": ["EFO", "OBI", "portal"]}, "this portal’s own"),
        ({"type": "term", "ontology": "PATO:0000461"}, "PATO:0000461 (normal) and what is below"),
        ({"type": "term", "ontology": "PATO:9999999"}, "PATO:9999999 and below"),
        ({"type": "enum", "values": ["a"]}, "One of 1 value"),
        ({"type": "enum", "values": ["a", "b"], "open": True}, "One of 2 values, or another"),
        ({"type": "integer", "minimum": 1, "unit": "h"}, "Whole number in h, at least 1"),
        ({"type": "number", "minimum": 0, "maximum": 0.5}, "Number, 0 to 0.5"),
        ({"type": "number", "maximum": 9}, "Number, at most 9"),
        ({"type": "date"}, "Date: year, month or day"),
        ({"type": "address"}, "Web address"),
        ({"type": "boolean"}, "Yes or no"),
        ({"type": "gene"}, "Gene"),
        ({}, "Text"),
    ],
)
def test_types_are_told_in_words(field: dict[str, object], words: str) -> None:
    assert words in type_of(SchemaField.model_validate(field))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({}, ("optional", "Optional", "")),
        ({"required": True}, ("required", "Required", "")),
        ({"only": "Visium"}, ("optional", "Optional", "Visium only")),
        ({"required": True, "only": "Visium"}, ("some", "Required of Visium", "Visium only")),
        ({"required": ["A", "B", "C"]}, ("some", "Required of A, B and C", "")),
    ],
)
def test_needs_are_told_in_words(field: dict[str, object], words: tuple[str, str, str]) -> None:
    assert need_of(SchemaField.model_validate(field)) == words


def test_technologies_are_those_that_the_schema_names() -> None:
    fields = {
        "a": SchemaField(only="Visium"),
        "b": SchemaField(required=("visium", "Xenium")),
        "c": SchemaField(required=True),
    }
    named = technologies_of(Schema(fields=fields))
    assert named == ["Visium", "Xenium"]
    assert needs_of(fields["b"], named) == ["required", "required", "optional"]
    assert slot_title("tables:cells:obs") == "Observations"
    assert slot_title("tables:cells") == "Tables"


# -- the artifact's page -------------------------------------------------------------------------


def artifact(out: Path, record: Record, *others: Record) -> str:
    build(out, [record, *others], schema=CURATED)
    html = (out / "datasets" / record.id / "index.html").read_text("utf-8")
    return section(html, "quality")


def test_an_artifact_tells_how_complete_it_is(tmp_path: Path) -> None:
    given = Quality(
        asked=5,
        missing=("tissue", "disease"),
        without_term=("organism",),
        differs=("n_spots",),
        duplicates=("b",),
    )
    html = artifact(tmp_path, curated("a", {}, quality=given), curated("b", {}))
    assert "3 of 5 required fields" in html
    assert '<rect class="p-m-known" x="0%" width="60%" height="100%"/>' in html
    for name in ("tissue", "disease", "organism", "n_spots"):
        assert f'href="../../schema/#{name}"' in html
    assert '<a href="../../datasets/b/">Artifact b</a>' in html


def test_an_artifact_of_which_nothing_is_asked_says_nothing_of_it(tmp_path: Path) -> None:
    html = artifact(tmp_path, curated("a", {}, quality=Quality()))
    assert "p-described" not in html
    assert "Completeness" not in html


def test_notes_are_folded_behind_what_asks_for_something(tmp_path: Path) -> None:
    problems = [
        Problem(code=f"code-{s}", severity=s, where="a.yaml:1", what=f"a `{s}` of ours")
        for s in ("info", "warning", "error")
    ]
    html = artifact(tmp_path, curated("a", {}, problems=tuple(problems)))
    open_, _, folded = html.partition('<details class="p-more p-notes">')
    assert open_.index("code-error") < open_.index("code-warning")
    assert "code-info" not in open_
    assert "Notes (1)" in folded
    assert "A <code>info</code> of ours" in folded


# -- hostile text --------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_text_is_shown_as_text(evil: str, tmp_path: Path) -> None:
    field = SchemaField(
        label=evil,
        description=evil,
        group=evil[:50],
        type="enum",
        values={evil: (evil,)},
        only=(evil,),
        found_in=(evil,),
        obs=(evil,),
        unit=evil,
        schema_org=evil,
    )
    term = SchemaField(label=f"T {evil}", type="term", ontology=(f"UBERON:{evil}",), required=True)
    schema = Schema(
        name=evil,
        version=evil[:50],
        description=evil,
        extends=evil,
        fields={"odd": field, "term": term},
        slots={
            "attrs:x": Slot(description=evil, fields={evil: field}, index=field, channels=(evil,)),
        },
    )
    problem = Problem(code=evil, severity="error", where=evil, what=evil, remedy=evil)
    records = [
        plain_record(
            id_,
            title=evil,
            values={"term": (Value(label=evil),), "technology": (Value(label=evil),)},
            quality=Quality(
                asked=3,
                missing=("odd", evil),
                without_term=("term",),
                differs=(evil,),
                duplicates=(o,),
            ),
            problems=(problem, problem.model_copy(update={"code": "metadata-differs"})),
            facts=store_facts(),
        )
        for id_, o in (("a", "b"), ("b", "a"))
    ]
    build(tmp_path, records, settings=config(base_url="https://e.org/"), schema=schema)
    for name in ("quality", "schema", "datasets/a"):
        html = (tmp_path / name / "index.html").read_text("utf-8")
        page = Page(html)
        assert page.faults + page.open == [], name
        assert not [n for _, a in page.tags for n in a if n.startswith("on") or n == "style"], name
        assert not [a for a in page.all("script") if a.get("type") is None], name
        assert not [a for a in page.all("img") if a.get("src") == "x"], name
        assert "\u202e" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL), name
        assert "49{" not in html
    assert (
        unescape(evil).strip("\u202e`")[:6]
        in Page((tmp_path / "quality" / "index.html").read_text("utf-8")).text
    )
