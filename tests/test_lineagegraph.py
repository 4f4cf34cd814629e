"""The graph around an artifact: what is in it, in the terminal and on a page."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from portal.derivation import Code, Derivation, Thing
from portal.lineagegraph import Graph, draw, drawn, family_of, lineage, lineage_of
from portal.pagewriter import make_environment
from portal.record import Products, Record, View
from tests.sitekit import config, plain_record, record


def kin(**parents: tuple[str, ...]) -> list[Record]:
    return [plain_record(id_, derived_from=of) for id_, of in parents.items()]


def edges(graph: Graph) -> set[tuple[str, str]]:
    return {(graph.nodes[a].label, graph.nodes[b].label) for a, b in graph.edges}


def of(id_: str, records: list[Record], **more: object) -> Graph:
    this = next(r for r in records if r.id == id_).model_copy(update=more)
    return lineage_of(this, family_of(records))


def title(id_: str) -> str:
    return plain_record(id_).title


def test_parents_and_children_are_followed_both_ways():
    records = kin(a=(), b=("a",), c=("b",), d=("c",), other=())
    graph = of("b", records)
    assert {n.label: n.level for n in graph.nodes if n.role != "curation"} == {
        title("a"): -1, title("b"): 0, title("c"): 1, title("d"): 2,
    }  # fmt: skip
    assert {(title("a"), title("b")), (title("b"), title("c")), (title("c"), title("d"))} < edges(
        graph
    )


def test_a_circle_of_artifacts_ends():
    graph = of("a", kin(a=("b",), b=("a",)))
    assert sorted(n.label for n in graph.nodes) == sorted(
        [title("a"), title("b"), "nothing declared"]
    )
    assert len(text_of(graph)) < 1000


def test_many_children_are_counted():
    records = kin(a=(), **{f"b{i}": ("a",) for i in range(9)})
    graph = of("a", records)
    assert [n.label for n in graph.nodes if "more" in n.label] == ["4 more artifacts"]
    assert len(graph.nodes) == 1 + 1 + 5 + 1


def test_source_curation_view_and_successor_stand_in_it():
    this = record(
        url="https://data.example.org/a.zarr",
        superseded_by="brain-2",
        products=Products(view=View(shows="copy", bytes=2_000_000)),
    )
    graph = lineage_of(this, family_of([this, record("brain-2", title="Brain two")]))
    assert edges(graph) == {
        ("data.example.org", "3 declared, 1 from the store"),
        ("3 declared, 1 from the store", this.title),
        (this.title, "Copy for the web"),
        (this.title, "Brain two"),
    }
    by_label = {n.label: n for n in graph.nodes}
    assert by_label["3 declared, 1 from the store"].role == "curation"
    assert by_label["Brain two"].role == "takes its place"
    assert by_label["Brain two"].href == "datasets/brain-2/"


def trained(*inputs: str) -> Derivation:
    return Derivation(
        output=Thing(name="model.pt", sha256="ab"),
        inputs=tuple(Thing(name=i, artifact=i) for i in inputs),
        code=Code(name="examples/train.py", version="1234567890", sha256="cd", changed=True),
    )


def test_models_stand_behind_the_artifact_that_they_were_made_from():
    records = kin(a=(), b=())
    graph = lineage_of(records[0], family_of(records), [trained("a")])
    model = next(n for n in graph.nodes if n.role == "model")
    assert (model.label, model.level, model.note) == ("model.pt", 1, "train.py at 1234567, changed")
    # a crate that does not name the artifact tells how the artifact was made
    graph = lineage_of(records[0], family_of(records), [trained("b")])
    assert (title("b"), title("a")) in edges(graph)


def text_of(graph: Graph) -> str:
    console = Console(width=200, file=StringIO())
    console.print(draw(graph))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_terminal_shows_both_directions_and_no_markup_of_others():
    records = [*kin(b=("a",)), plain_record("a", title="[red]A[/red]")]
    shown = text_of(of("b", records))
    assert re.search(r"From\n.*curation: nothing declared", shown)
    assert "made from this: [red]A[/red]" in shown


HOSTILE = '<script>alert(1)</script>" onload="x'


def html_of(graph: Graph) -> str:
    template = make_environment(config()).get_template("partials/lineage.html")
    return template.render(lineage=drawn(graph), card=plain_record("a"), root="../../")


def test_the_picture_has_a_box_for_each_and_the_list_says_the_same():
    html = html_of(of("b", kin(a=(), b=("a",), c=("b",))))
    assert html.count("<rect") == html.count("<li") == 4
    assert html.count("<path d=") == 3 + 1  # and the tip
    assert re.search(r'<svg[^>]* role="img" aria-label="Lineage of', html)
    assert '<a class="p-link" href="../../datasets/a/">' in html
    assert 'aria-current="true"' in html


def test_titles_and_addresses_of_others_are_only_text():
    this = plain_record("a", title=HOSTILE, url="https://x.example/" + HOSTILE, derived_from=("b",))
    html = html_of(lineage_of(this, {}, [trained("a")]))
    assert "<script>" not in html
    assert '" onload="' not in html
    this = plain_record("a", url="s3://bucket/a.zarr", derived_from=("b",))
    assert "s3://bucket" not in "".join(
        re.findall(r'href="([^"]*)"', html_of(lineage_of(this, {})))
    )


def test_boxes_of_a_drawing_do_not_touch_and_lines_lead_to_the_right():
    drawing = drawn(of("c", kin(a=(), b=("a",), c=("a", "b"), d=("c",), e=("c",))))
    assert drawing is not None
    places = [(b.x, b.y) for b in drawing.boxes]
    assert len(set(places)) == len(places)
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - box.width
        assert 0 <= box.y <= drawing.height - box.height
    for line in drawing.lines:
        numbers = [int(n) for n in re.findall(r"-?\d+", line)]
        assert numbers[0] < numbers[-2]


@pytest.mark.parametrize(
    ("label", "shown"),
    [("x" * 25, "x" * 25), ("x" * 26, "x" * 24 + "…"), ("細" * 13, "細" * 12 + "…")],
    ids=["fits", "long", "wide"],
)
def test_a_label_is_cut_to_its_box(label, shown):
    drawing = drawn(lineage_of(plain_record("a", title=label, derived_from=("b",)), {}))
    assert drawing is not None
    assert shown in [b.label for b in drawing.boxes]


def test_an_artifact_by_itself_has_nothing_to_draw():
    assert drawn(of("a", kin(a=()))) is None


def test_an_opened_portal_gives_the_graph_of_an_artifact(tmp_path):
    from portal.client.artifact import Artifact
    from portal.client.source import open_source
    from tests.clientkit import site

    records = kin(a=(), b=("a",))
    site(tmp_path / "site", records, collections={})
    graph = lineage(Artifact("b", open_source(tmp_path / "site"), {}))
    assert (title("a"), title("b")) in edges(graph)
    assert {n.href for n in graph.nodes} == {None, "datasets/a/"}
