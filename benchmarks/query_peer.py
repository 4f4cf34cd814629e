"""LaminDB's side of `benchmarks.query`; runs in the peer's environment, in its instance's folder.

`seed TERMS` makes the instance and fills its registries as `benchmarks.curation_peer` does, with
cell types, organisms, platforms and the features beside. `fill ROWS` registers the artifacts: of
the first few each goes through LaminDB's own interface, of all others the same rows are written
by its models many at once, which takes a minute instead of twenty. Whether they came out right,
the comparison with ours says. Anything else asks a question, one process each.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.query_cases import FEATURES, LISTS, Answers, main

ONE_BY_ONE = 20
REGISTRIES = {
    "organism": "Organism",
    "tissue": "Tissue",
    "disease": "Disease",
    "assay": "ExperimentalFactor",
    "development_stage": "DevelopmentalStage",
    "cell_type": "CellType",
}


def start() -> Answers:
    """Import, which opens the instance too."""
    import lamindb as ln

    def below(name: str) -> Any:
        import bionty

        term = bionty.Tissue.get(name=name)
        # The children of a term are without itself.
        terms = [term, *term.query_children()]
        return ln.Artifact.filter(tissues__in=terms).distinct().to_dataframe(limit=None)

    def filter_(value: list[str], **options: Any) -> Any:
        found = ln.Artifact.filter(tissue=value[0], assay=value[1])
        return found.to_dataframe(limit=None, **options)

    def listing(_: None) -> Any:
        found = ln.Artifact.filter(kind="dataset")
        return found.to_dataframe(include="features", limit=None)

    return {
        "filter": filter_,
        "features": lambda v: filter_(v, include="features"),
        "search": lambda v: ln.Artifact.search(v, limit=None).to_dataframe(limit=None),
        "describe": lambda v: ln.Artifact.get(key=f"{v}.zarr").describe(),
        "brain": below,
        "organ": below,
        "listing": listing,
        "rows": rows,
    }


def rows(frame: Any) -> dict[str, Any]:
    """The features of each artifact by our id of it; None where the frame has none."""
    ids = [key.removesuffix(".zarr") for key in frame["key"]]
    if "tissue" not in frame:
        return dict.fromkeys(ids)
    found = {}
    for id_, *values in zip(ids, *(frame[name] for name in FEATURES), strict=True):
        said = dict(zip(FEATURES, values, strict=True))
        found[id_] = {name: _plain(name, value) for name, value in said.items()}
    return found


def _plain(name: str, value: Any) -> Any:
    if name in LISTS:
        return sorted([value] if isinstance(value, str) else value)
    return int(value) if name == "n_cells" else value


def seed(terms: Path) -> None:
    """An empty instance with its registries filled, and the features."""
    from benchmarks import curation_peer

    curation_peer.REGISTRIES["CellType"] = ("CL", "all")
    curation_peer.seed(terms)
    import bionty
    import lamindb as ln

    for name in FEATURES:
        kind: Any = int if name == "n_cells" else ln.ULabel
        if name in REGISTRIES:
            kind = getattr(bionty, REGISTRIES[name])
        ln.Feature(name=name, dtype=list[kind] if name in LISTS else kind).save()


def fill(rows: list[dict[str, Any]]) -> None:
    """Register artifacts with their features."""
    import lamindb as ln

    labels = {name: _labels(name, rows) for name in FEATURES if name != "n_cells"}
    first = []
    for row in rows[:ONE_BY_ONE]:
        artifact = _artifact(row).save()
        values = {name: _each(labels.get(name), value) for name, value in row["features"].items()}
        artifact.features.add_values(values)
        first.append(artifact)
    others = rows[ONE_BY_ONE:]
    artifacts = [_another(first[0], row) for row in others]
    ln.Artifact.objects.bulk_create(artifacts, batch_size=500)
    for name in FEATURES:
        _link(name, artifacts, [row["features"][name] for row in others], labels.get(name))


def _artifact(row: dict[str, Any]) -> Any:
    """One that lies in the storage of the instance."""
    import lamindb as ln

    folder = Path(str(ln.settings.storage.root)) / f"{row['id']}.zarr"
    folder.mkdir()
    (folder / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group"}))
    return ln.Artifact(folder, description=row["title"], kind="dataset", run=False)


def _another(artifact: Any, row: dict[str, Any]) -> Any:
    """The same with a name and a hash of its own."""
    from lamindb.base.uids import base62_20

    made = copy.copy(artifact)
    made._state = copy.copy(artifact._state)
    made._state.adding = True
    made.pk = made.id = None
    made.uid, made.key, made.description = f"{base62_20()}0000", f"{row['id']}.zarr", row["title"]
    made._hash = made.hash = hashlib.md5(row["id"].encode()).hexdigest()[:22]
    return made


def _labels(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The records of all terms of a feature by id, or of all texts; those that lack are made."""
    import bionty
    import lamindb as ln

    registry = getattr(bionty, REGISTRIES[name]) if name in REGISTRIES else ln.ULabel
    key = "ontology_id" if name in REGISTRIES else "name"
    found = {getattr(record, key): record for record in registry.filter()}
    said = [row["features"][name] for row in rows]
    for value in (v for values in said for v in (values if name in LISTS else [values])):
        id_, label = value if name in REGISTRIES else (value, value)
        if id_ not in found:
            more = {"ontology_id": id_} if name in REGISTRIES else {}
            found[id_] = registry(name=label, **more).save()
    return found


def _each(labels: dict[str, Any] | None, value: Any) -> Any:
    """The record of a value, or those of several; a number as it is."""
    if labels is None:
        return value
    if isinstance(value, list) and isinstance(value[0], list):
        return [labels[id_] for id_, _ in value]
    return labels[value[0] if isinstance(value, list) else value]


def _link(
    name: str, artifacts: list[Any], values: list[Any], labels: dict[str, Any] | None
) -> None:
    """The rows that say which artifact has which value of a feature, as `add_values` writes them."""
    import lamindb as ln

    feature = ln.Feature.get(name=name)
    if labels is None:
        numbers = ln.models.JsonValue.objects.bulk_create(
            [ln.models.JsonValue(feature=feature, value=value, hash=None) for value in values],
            batch_size=500,
        )
        pairs = zip(artifacts, numbers, strict=True)
        link, target = ln.models.ArtifactJsonValue, "jsonvalue_id"
        rows = [link(artifact_id=a.id, jsonvalue_id=v.id) for a, v in pairs]
    else:
        several = (value if name in LISTS else [value] for value in values)
        pairs = [
            (a, _each(labels, v)) for a, vs in zip(artifacts, several, strict=True) for v in vs
        ]
        related = type(pairs[0][1]).__name__
        link = type(pairs[0][1]).artifacts.through
        target = f"{related.lower()}_id"
        rows = [
            link(**{"artifact_id": a.id, target: label.id, "feature_id": feature.id})
            for a, label in pairs
        ]
    link.objects.bulk_create(rows, batch_size=500)


if __name__ == "__main__":
    if sys.argv[1] == "seed":
        seed(Path(sys.argv[2]))
    elif sys.argv[1] == "fill":
        fill(json.loads(Path(sys.argv[2]).read_text()))
    else:
        main(start)
