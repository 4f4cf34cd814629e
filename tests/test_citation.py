"""How to cite an artifact."""

from __future__ import annotations

from portal.citation import citation_of
from portal.entry import Entry


def cite(**values):
    entry = Entry(title=values.pop("title", "A title"), **values).model_copy(update={"id": "a1"})
    return citation_of(entry, published="2024-05-06", page="https://a.org/d")


def test_a_citation_is_made_from_what_there_is():
    cited = cite()
    assert cited.text == "(2024). A title. https://a.org/d"
    assert cited.csl["issued"] == {"date-parts": [[2024]]}
    assert "@misc{a1," in cited.bibtex


def test_authors_publisher_doi_and_version():
    cited = cite(
        citation={"authors": ["Doe, Jane", "The Atlas"], "doi": "10.1234/x", "publisher": "P"},
        versions=[{"version": "1.2"}],
    )
    assert (
        cited.text
        == "Doe, Jane and The Atlas (2024). A title. P. Version 1.2. https://doi.org/10.1234/x"
    )
    assert cited.csl["author"] == [{"family": "Doe", "given": "Jane"}, {"literal": "The Atlas"}]


def test_more_than_three_authors_are_et_al():
    assert cite(citation={"authors": ["A", "B", "C", "D"]}).text.startswith("A et al. (2024).")


def test_bibtex_survives_what_tex_would_trip_over():
    bibtex = cite(title="50% of {A} & B_c #1 \\ $x$").bibtex
    assert r"50\% of \{A\} \& B\_c \#1 \textbackslash{} \$x\$" in bibtex


def test_csl_of_the_curator_wins():
    cited = cite(citation={"csl": {"type": "article-journal", "title": "Own"}})
    assert (cited.csl["type"], cited.csl["title"]) == ("article-journal", "Own")
    assert cited.text.startswith("(2024). Own.")


def test_csl_alone_gives_authors_year_and_address():
    cited = cite(
        citation={
            "csl": {
                "title": "T",
                "author": [{"family": "Doe", "given": "J"}, {"literal": "The Atlas"}],
                "issued": {"date-parts": [[2020, 1]]},
                "URL": "https://a.org/x",
                "volume": 3,
            }
        }
    )
    assert cited.text == "Doe, J and The Atlas (2020). T. https://a.org/x"
    assert "author = {Doe, J and The Atlas}" in cited.bibtex
    assert cited.csl["issued"] == {"date-parts": [[2020, 1]]}
    assert cited.csl["volume"] == 3


def test_the_store_itself_is_never_what_is_cited():
    entry = Entry(title="T", url="s3://bucket/a.zarr").model_copy(update={"id": "a"})
    assert citation_of(entry, published=None, page=None).url is None
