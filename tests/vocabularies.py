"""Small vocabularies, made as the tables of the portal are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from portal.ontology import Ontology, Overlay, fold

PREFIX = "TEST"


def vocabulary(
    parents: Mapping[str, Iterable[str]],
    *,
    labels: Mapping[str, str] | None = None,
    synonyms: Mapping[str, Iterable[str]] | None = None,
    replaced: Mapping[str, str] | None = None,
    overlay: Overlay | None = None,
) -> Ontology:
    """An ontology of these ids. A term's label is its id with a space for the colon."""
    ids = sorted(parents)
    called = {i: (labels or {}).get(i, i.replace(":", " ")) for i in ids}
    also = {i: list((synonyms or {}).get(i, ())) for i in ids}
    terms = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "label": pa.array([called[i] for i in ids], pa.string()),
            "synonyms": pa.array([also[i] for i in ids], pa.list_(pa.string())),
            "parents": pa.array([list(parents[i]) for i in ids], pa.list_(pa.string())),
            "deprecated": pa.array([i in (replaced or {}) for i in ids], pa.bool_()),
            "replaced_by": pa.array([(replaced or {}).get(i) for i in ids], pa.string()),
            "ontology": pa.array([PREFIX] * len(ids), pa.string()),
        }
    )
    rows = sorted((fold(t), n) for n, i in enumerate(ids) for t in {called[i], *also[i]})
    names = pa.table(
        {
            "name": pa.array([name for name, _ in rows], pa.string()),
            "row": pa.array([row for _, row in rows], pa.int32()),
        }
    )
    return Ontology(terms, lambda: names, overlay or Overlay(), {PREFIX: "1"})
