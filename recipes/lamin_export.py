"""Exports of a real LaminDB instance, for the tests of `portal import lamin`.

Makes an instance with a few artifacts, annotated as LaminDB's guide does, and saves what a user
has in hand: the data frame of artifacts as CSV, JSON and Parquet, and the Parquet tables of
`lamin io exportdb` (those with a row, that an import may read). The storage is then said to lie in
a bucket, as a shared instance's does.

Run in an empty folder, by an interpreter that has `lamindb`, `bionty` and `sqlalchemy` (the
environment of `benchmarks.curation`, plus the last), with LAMIN_SETTINGS_DIR set:
`python -m recipes.lamin_export tests/lamin`.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date
from pathlib import Path

ROOT = "s3://atlas-bucket/xenium"
TABLES = (
    *("lamindb_artifact", "lamindb_storage", "lamindb_feature", "lamindb_jsonvalue"),
    *("lamindb_artifactjsonvalue", "lamindb_ulabel", "lamindb_artifactulabel"),
    *("lamindb_collection", "lamindb_collectionartifact", "lamindb_user", "lamindb_artifactuser"),
    *("bionty_tissue", "bionty_artifacttissue", "bionty_organism", "bionty_artifactorganism"),
    *("bionty_disease", "bionty_artifactdisease"),
    *("bionty_experimentalfactor", "bionty_artifactexperimentalfactor"),
)


def main(out: Path) -> None:
    import lamindb_setup

    lamindb_setup.init(storage="store", modules="bionty")
    lamindb_setup.settings.instance._is_on_hub = False  # or it asks the hub where files may lie
    annotate()
    import lamindb as ln

    ln.Storage.filter().update(root=ROOT)
    shutil.rmtree(out, ignore_errors=True)
    (out / "tables").mkdir(parents=True)
    frame = ln.Artifact.to_dataframe(
        include=["description", "suffix", "otype", "size", "hash", "created_at", "ulabels__name"],
        features=True,
    )
    frame.to_csv(out / "artifacts.csv")
    frame.reset_index().to_json(
        out / "artifacts.json", orient="records", date_format="iso", indent=1, default_handler=list
    )
    plain = frame.copy()
    plain["ulabels__name"] = plain["ulabels__name"].map(lambda s: sorted(filter(None, s)))
    plain.astype({"n_cells": "float64"}).to_parquet(out / "artifacts.parquet")
    ln.Artifact.to_dataframe().to_csv(out / "bare.csv")
    export(out / "tables")


def annotate() -> None:
    """Three artifacts that are stores, one of them in two versions, and one that is none."""
    import bionty as bt
    import lamindb as ln

    lung = bt.Tissue(name="lung", ontology_id="UBERON:0002048").save()
    brain = bt.Tissue(name="brain", ontology_id="UBERON:0000955").save()
    xenium = bt.ExperimentalFactor(name="10x Xenium", ontology_id="EFO:0022615").save()
    human = bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
    cancer = bt.Disease(name="lung adenocarcinoma", ontology_id="MONDO:0005061").save()
    pilot = ln.ULabel(name="atlas pilot").save()
    dtypes = {
        "tissue": list[bt.Tissue],
        "assay": bt.ExperimentalFactor,
        "organism": bt.Organism,
        "disease": bt.Disease,
        "n_cells": int,
        "donor_id": str,
        "rin": float,
        "collected": "date",
        "license": str,
    }
    for name, dtype in dtypes.items():
        ln.Feature(name=name, dtype=dtype).save()
    always = {"assay": xenium, "organism": human, "license": "CC-BY-4.0"}
    first = store("a/section_1.zarr", "Lung section 1", 1)
    first.features.add_values({**always, "tissue": [lung], "n_cells": 101})
    first.ulabels.add(pilot)
    first.diseases.add(cancer)
    second = store("a/section_2.zarr", "Lung section 2", 2)
    more = {"disease": cancer, "donor_id": "D1", "rin": 7.5, "collected": date(2024, 3, 1)}
    second.features.add_values({**always, **more, "tissue": [lung, brain], "n_cells": 102})
    newer = store("b/section_1.zarr", "The same name in another folder", 3)
    newer.features.add_values({"organism": human})
    newest = store("b/section_1.zarr", "The same name in another folder", 4, revises=newer)
    newest.features.add_values({"organism": human})
    Path("notes.csv").write_text("a,b\n1,2\n")
    ln.Artifact("notes.csv", key="notes.csv", description="Not a store", run=False).save()
    ln.Collection([first, second], key="lung atlas", run=False).save()


def store(key: str, description: str, i: int, **more: object):
    """An artifact whose store is a group of zarr, and no more."""
    import lamindb as ln

    folder = Path(f"made/{i}.zarr")
    folder.mkdir(parents=True)
    attributes = {"spatialdata_attrs": {"version": "0.2"}, "i": i}
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (folder / "zarr.json").write_text(json.dumps(content))
    return ln.Artifact(folder, key=key, description=description, run=False, **more).save()


def export(out: Path) -> None:
    """The tables by LaminDB's own function for one; it stops at a table of a newer schema."""
    from lamindb_setup.io import _export_full_table, _get_registries, _import_schema_module

    for module in ("lamindb", "bionty"):
        models = _import_schema_module(module).models
        for name in _get_registries(module):
            if getattr(models, name)._meta.db_table in TABLES:
                _export_full_table((module, name, None), out, 500_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
