"""LaminDB's side of `benchmarks.curation`; runs in the peer's environment, which `curation` makes.

`seed TERMS` makes an instance in the current folder and fills its registries, from the tables
of cellxgene-ontology-guide since LaminDB's own are downloaded, with the terms that ours has too
(their ids are in TERMS, a Parquet file): all with a label, obsolete ones as well, which its own
import does not leave out either. `normal` is put among the diseases as its defaults for CELLxGENE
do. `run OUT RUNS` writes every case, judged, as JSON to OUT.

The schema is the one its documentation has for this object, without the slot of genes (names of
genes are looked up on the network), and with `nullable=False`, since ours wants every value. A
feature there is one value or a list, never either, so the case with a list gets a schema of lists.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

REGISTRIES = {
    "DevelopmentalStage": ("HsapDv", "human"),
    "ExperimentalFactor": ("EFO", "all"),
    "Tissue": ("UBERON", "all"),
    "Disease": ("MONDO", "all"),
}
"""Registry to its ontology and organism. Tissues are there so that one can be recognised."""


def seed(terms: Path) -> None:
    import lamindb_setup

    lamindb_setup.init(storage="store", modules="bionty")
    import bionty
    import pyarrow.parquet
    from cellxgene_ontology_guide.ontology_parser import OntologyParser

    ids = set(pyarrow.parquet.read_table(terms, columns=["id"])["id"].to_pylist())
    guide = OntologyParser().cxg_schema
    for name, (ontology, organism) in REGISTRIES.items():
        registry = getattr(bionty, name)
        table = {i: t for i, t in guide.ontology(ontology).items() if i in ids and t.get("label")}
        source = bionty.Source(
            entity=f"bionty.{name}",
            name=ontology.lower(),
            version=guide.supported_ontologies[ontology]["version"],
            organism=organism,
            currently_used=True,
        ).save()
        registry.import_source(registry.add_source(source, df=_frame(table)))
        found = registry.filter().count()
        if found != len(table):
            raise SystemExit(f"{name}: {found} of {len(table)} terms were registered")
    bionty.Disease(name="normal", ontology_id="PATO:0000461").save()


def _frame(table: dict[str, dict[str, Any]]) -> Any:
    """Terms in the form that the registries import."""
    import pandas as pd

    return pd.DataFrame(
        {
            "ontology_id": id_,
            "name": term["label"],
            "definition": term.get("description"),
            "synonyms": "|".join(term.get("synonyms") or ()) or None,
            "parents": [a for a, distance in term["ancestors"].items() if distance == 1],
        }
        for id_, term in table.items()
    )


def run(out: Path, runs: int) -> None:
    from benchmarks.curation_cases import Answer, build, measure

    sdata = build()
    start = time.perf_counter()
    import lamindb
    from lamindb_setup import logger

    told = io.StringIO()
    logger.handlers[0].setStream(told)
    schemas = _schemas()

    def curate(sdata: Any, lists: bool) -> Answer:
        """As a user calls it; what it logs counts as told."""
        told.seek(0)
        told.truncate()
        curator = None
        try:
            curator = lamindb.curators.SpatialDataCurator(sdata, schemas[lists])
            curator.validate()
        except Exception as error:
            if type(error).__module__ != "lamindb.errors":
                raise
            text = f"{error}\n{told.getvalue()}"
            then = (lambda: _standardize(curator)) if "standardize" in text else None
            return Answer(False, _faults(error), text, type(error).__name__, then)
        return Answer(True, text=told.getvalue())

    curate(sdata, False)
    started = time.perf_counter() - start
    rows = measure(curate, runs)
    out.write_text(json.dumps({"rows": rows, "start": started}))


def _schemas() -> dict[bool, Any]:
    """Without and with lists of diseases."""
    import bionty
    from lamindb import Feature, Schema

    def feature(name: str, dtype: Any, **more: Any) -> Any:
        return Feature(name=name, dtype=dtype, coerce=True, nullable=False, **more).save()

    stage = feature("developmental_stage", bionty.DevelopmentalStage)
    assay = feature("assay", bionty.ExperimentalFactor)
    region = feature("sample_region", str)
    lists = Feature(name="lists", is_type=True).save()
    diseases = {
        False: feature("disease", bionty.Disease),
        True: feature("disease", list[bionty.Disease], type=lists),
    }
    return {
        listed: Schema(
            name=f"blobs{'-lists' * listed}",
            otype="SpatialData",
            slots={
                "attrs:bio": Schema([disease, stage]).save(),
                "attrs:tech": Schema([assay]).save(),
                "tables:table:obs": Schema([region]).save(),
            },
        ).save()
        for listed, disease in diseases.items()
    }


def _faults(error: Exception) -> int:
    """How many the message tells: fields of a failed frame, or terms that are unknown."""
    cases = getattr(error.__cause__, "failure_cases", None)
    if cases is not None:
        absent = cases["check"] == "column_in_dataframe"
        return cases["column"].mask(absent, cases["failure_case"]).nunique()
    return sum(map(int, re.findall(r"(\d+) terms? not validated", str(error)))) or 1


def _standardize(curator: Any) -> bool:
    """What its hints say: standardize every field of terms, validate again."""
    for slot in curator.slots.values():
        for name in (f.name for f in slot.cat.categoricals):
            slot.cat.standardize(name)
    try:
        curator.validate()
    except Exception:
        return False
    return True


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    if verb == "seed":
        seed(Path(arguments[0]))
    else:
        run(Path(arguments[0]), int(arguments[1]))
