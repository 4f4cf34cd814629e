"""The artifacts of `benchmarks.query`, from a seed: rows for both sides, and our site of them.

Terms are real ones that both ontologies have, by Zipf's law; organism and stage of life fit each
other. Titles have the tissue, an author of some thousand, and made words.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.query_cases import FEATURES, LISTS
from benchmarks.search_vocabulary import Term, made_words, surnames, vocabularies
from portal.build import build_site
from portal.config import load_config
from portal.ontology import load_ontology

__all__ = ["made_rows", "make_site"]

_ONTOLOGIES = {
    "organism": ("NCBITaxon:9606", "NCBITaxon:10090"),
    "tissue": ("UBERON:",),
    "disease": ("MONDO:", "PATO:"),
    "assay": ("EFO:",),
    "cell_type": ("CL:",),
    "development_stage": ("HsapDv:", "MmusDv:"),
}
"""How the ids begin of terms that the peer's ontologies have too."""
_TECHNOLOGIES = {
    "10x Xenium": "Xenium",
    "Visium Spatial Gene Expression": "Visium",
    "Visium HD": "Visium HD",
    "Vizgen MERSCOPE": "MERSCOPE",
    "MERFISH": "MERFISH",
    "CosMx SMI": "CosMx",
    "Slide-seqV2": "Slide-seq",
    "seqFISH": "seqFISH",
}
"""The platform of an assay."""
_BUCKET = "s3://made-bucket/stores"
_AUTHORS = 40
"""Those whose names are searched for are among so many."""


def made_rows(n: int) -> list[dict[str, Any]]:
    """`n` artifacts: id, title, and by feature a term as `[id, label]`, several of
    them for a list, a text or a number."""
    rng = np.random.default_rng(n)
    terms = {name: _terms(name) for name in _ONTOLOGIES}
    drawn = {name: _draw(rng, terms[name], n) for name in _ONTOLOGIES}
    stages = {
        organism.id: iter(_draw(rng, [t for t in terms["development_stage"] if t.id[:2] == of], n))
        for organism, of in zip(terms["organism"], ("Hs", "Mm"), strict=True)
    }
    cells = iter(_draw(rng, terms["cell_type"], 4 * n))
    words, authors = _draw(rng, made_words(3_000), 5 * n), rng.integers(_AUTHORS, size=n).tolist()
    n_cells = rng.integers(500, 500_000, n).tolist()
    rows = []
    for i, many in enumerate(rng.integers(1, 5, n).tolist()):
        features: dict[str, Any] = {name: drawn[name][i] for name in _ONTOLOGIES}
        features["technology"] = _TECHNOLOGIES.get(features["assay"].label, "in-house")
        features["development_stage"] = next(stages[features["organism"].id])
        features["cell_type"] = list(dict.fromkeys(next(cells) for _ in range(many)))
        features["n_cells"] = n_cells[i]
        about = " ".join(words[5 * i : 5 * i + 5])
        start = f"{features['tissue'].label.capitalize()} by {surnames()[authors[i]]} and others"
        rows.append(
            {
                "id": f"made{i:05}",
                "title": f"{start}, {about}, section {i}",
                "features": {name: _plain(features[name]) for name in FEATURES},
            }
        )
    return rows


def _terms(name: str) -> list[Term]:
    _, terms, named = vocabularies()[name]
    found = [t for t in terms[:named] if (t.id or "").startswith(_ONTOLOGIES[name])]
    # The peer keeps one term of a name, and tables show no ids.
    ontology = load_ontology()
    called = Counter(term.label for id_ in ontology if (term := ontology.term(id_)))
    return [t for t in found if called[t.label] == 1]


def _draw(rng: np.random.Generator, choices: list[Any], n: int) -> list[Any]:
    """`n` of them, the first the most frequent."""
    weights = 1 / np.arange(2, len(choices) + 2)
    places = rng.choice(len(choices), n, p=weights / weights.sum())
    return [choices[place] for place in places.tolist()]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return [value.id, value.label] if isinstance(value, Term) else value


def make_site(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Build our site of the rows, in `folder/site`."""
    manifest = folder / "data_manifest"
    (manifest / "made").mkdir(parents=True)
    (folder / "site_config.yaml").write_text("title: Measured\n")
    (manifest / "schema.yaml").write_text("extends: minimal\n")
    for row in rows:
        metadata = {name: _written(name, value) for name, value in row["features"].items()}
        url = f"{_BUCKET}/{row['id']}.zarr"
        entry = {"title": row["title"], "url": url, "metadata": metadata}
        # JSON is YAML too.
        (manifest / "made" / f"{row['id']}.yaml").write_text(json.dumps(entry), "utf-8")
    build_site(load_config(folder / "site_config.yaml"), folder / "site")
    catalog = folder / "site" / "catalog" / "catalog.parquet"
    built = pq.read_table(catalog, columns=["uid"])["uid"].to_pylist()
    if sorted(built) != [row["id"] for row in rows]:
        raise SystemExit(f"{folder} has other artifacts than were made.")


def _written(name: str, value: Any) -> Any:
    """A value as a curator writes it: a term with its id, which says for sure which is meant."""
    if name in LISTS:
        return [_written("", item) for item in value]
    return {"id": value[0], "label": value[1]} if isinstance(value, list) else value
