"""Makes `portal/data/ontologies/*.parquet`, the tables that `portal.ontology` reads.

`terms.parquet` has a row for each term in the order of the ids, `names.parquet` all labels and
synonyms in their order, folded, with the row of the term.

The terms come from cellxgene-ontology-guide, which carries the ontologies in one form. It has
50 MB and is needed here only::

    uv run --with cellxgene-ontology-guide --with pyarrow python -m recipes.ontologies

What the ontologies lack is written by hand in `portal/data/ontologies/overlay.yaml`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from portal.ontology import fold

OUT = Path(__file__).parent.parent / "portal/data/ontologies"
WHOLE = ("UBERON", "CL", "MONDO", "HsapDv", "MmusDv", "HANCESTRO")
# Of these only what lies below: assays and processes, instruments; sexes and `normal`.
BRANCHES = {
    "EFO": ("EFO:0002694", "EFO:0000548"),
    "PATO": ("PATO:0001894", "PATO:0000461"),
}
# Branches of EFO that no record of spatial data means.
LEFT_OUT = ("EFO:0002571", "EFO:0005072", "EFO:0004903")
# Animals of spatial studies, of millions. The package has animals only: plants, yeast and
# bacteria stand in the overlay.
ORGANISMS = (
    *(9606, 9598, 9597, 9593, 9601),  # human and apes
    *(9544, 9541, 9545, 9483, 9490, 9555, 60711, 30608),  # monkeys, mouse lemur
    *(10090, 10092, 10116, 10029, 10036, 10141, 10181, 51337, 1047088),  # rodents
    *(9986, 9685, 9615, 9669, 9823, 9913, 9940, 9925, 9796, 9402, 9407),  # other mammals
    *(9031, 59729, 8364, 8355, 8296, 28377, 7955, 8090, 105023, 7994),  # other vertebrates
    *(7227, 7460, 7165, 6239, 6669, 10228, 45351, 6087, 79327, 7668, 7719),  # invertebrates
)
LONGEST = 70
"""Letters of a synonym: what is longer is a definition."""
SHARED = 3
"""A synonym of more terms than this names none of them."""
_JUNK = re.compile(
    r"\bNOS\b|\(disease\)|\(disorder\)|\[|^obsolete|^other |^[\W\d_]*$", re.IGNORECASE
)
_TAXON = re.compile(rb'"(NCBITaxon:\d+)":\s*\{"ancestors":(\{[^{}]*\}),([^{}]*)\}')


def source(ontology: str) -> tuple[str, pa.NativeFile]:
    """The version of an ontology and its text, still to be read."""
    folder = files("cellxgene_ontology_guide") / "data"
    latest = json.loads((folder / "latest_ontology_info.json").read_text("utf-8"))
    version = latest["ontologies"][ontology]["version"]
    name = f"{ontology}-ontology-{version}.json"
    for ending, compression in ((".zst", "zstd"), (".gz", "gzip")):
        path = Path(str(folder / (name + ending)))
        if path.is_file():
            return version, pa.input_stream(str(path), compression=compression)
    raise FileNotFoundError(name)


def organisms(stream: pa.NativeFile, wanted: Iterable[int]) -> dict[str, Any]:
    """The wanted taxa, read without ever holding the whole."""
    ids = {f"NCBITaxon:{n}" for n in wanted}
    found: dict[str, Any] = {}
    rest = b""
    while block := stream.read(1 << 24):
        text = rest + block
        end = 0
        for match in _TAXON.finditer(text):
            end = match.end()
            id_ = match[1].decode()
            if id_ in ids:
                found[id_] = json.loads(b'{"ancestors":%b,%b}' % (match[2], match[3]))
        rest = text[end:]
    if missing := ids - set(found):
        raise ValueError(f"no such taxa: {', '.join(sorted(missing))}")
    # Only what lies within the list: a strain is of its species, but nobody filters by phylum.
    for term in found.values():
        term["ancestors"] = {a: n for a, n in term["ancestors"].items() if a in ids}
    return found


def branches(terms: Mapping[str, Any], roots: Iterable[str]) -> dict[str, Any]:
    """The terms below `roots`, and those that one of these replaces."""
    tops = set(roots)
    kept = {
        id_: term
        for id_, term in terms.items()
        if (id_ in tops or tops & term["ancestors"].keys())
        and not any(id_ == x or x in term["ancestors"] for x in LEFT_OUT)
    }
    return kept | {
        id_: term
        for id_, term in terms.items()
        if term.get("deprecated") and term.get("replaced_by") in kept
    }


def parents(terms: Mapping[str, Any]) -> dict[str, list[str]]:
    """Direct parents: those ancestors that no other ancestor of the term lies below."""
    above = {
        id_: {a for a in t["ancestors"] if a in terms and a != id_} for id_, t in terms.items()
    }
    direct = {}
    for id_, ancestors in above.items():
        # Two that lie below one another are the same place: neither hides the other.
        farther = {b for a in ancestors for b in above[a] if b in ancestors and a not in above[b]}
        direct[id_] = sorted(ancestors - farther)
    return direct


def synonyms(terms: Mapping[str, Any]) -> dict[str, list[str]]:
    """What people type: no label of another term, no sentence, nothing that names half a dozen."""
    labels = {fold(t["label"]) for t in terms.values()}
    shared = Counter(
        name
        for t in terms.values()
        if not t.get("deprecated")
        for name in {fold(s) for s in t.get("synonyms", ())}
    )
    kept = {}
    for id_, term in terms.items():
        chosen: dict[str, str] = {}
        for text in term.get("synonyms", ()):
            name = fold(text)
            if (
                name not in labels
                and 1 < len(name) <= LONGEST
                and shared[name] <= SHARED
                and not _JUNK.search(text)
            ):
                chosen.setdefault(name, " ".join(text.split()))
        kept[id_] = [] if term.get("deprecated") else sorted(chosen.values())
    return kept


def table() -> pa.Table:
    """All kept terms in the order of their ids, with the versions of the ontologies."""
    rows, versions = [], {}
    for ontology in (*WHOLE, *BRANCHES, "NCBITaxon"):
        versions[ontology], stream = source(ontology)
        if ontology == "NCBITaxon":
            terms = organisms(stream, ORGANISMS)
        else:
            terms = json.loads(stream.read())
        if roots := BRANCHES.get(ontology):
            terms = branches(terms, roots)
        direct, names = parents(terms), synonyms(terms)
        rows += [
            {
                "id": id_,
                "label": term["label"] or id_,  # some that were replaced have lost theirs
                "synonyms": names[id_],
                "parents": direct[id_],
                "deprecated": bool(term.get("deprecated")),
                "replaced_by": term.get("replaced_by") or None,
                "ontology": ontology,
            }
            for id_, term in terms.items()
        ]
        print(f"{ontology:10} {versions[ontology]:14} {len(terms):6,} terms", file=sys.stderr)
    rows.sort(key=lambda r: r["id"])
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("label", pa.string()),
            ("synonyms", pa.list_(pa.string())),
            ("parents", pa.list_(pa.string())),
            ("deprecated", pa.bool_()),
            ("replaced_by", pa.string()),
            ("ontology", pa.dictionary(pa.int8(), pa.string())),
        ],
        metadata={"versions": json.dumps(versions)},
    )
    return pa.Table.from_pylist(rows, schema=schema)


def names(terms: pa.Table) -> pa.Table:
    """Every name of every term, folded and sorted, with the row of its term."""
    rows = sorted(
        {
            (fold(name), row)
            for row, (label, more) in enumerate(
                zip(terms["label"].to_pylist(), terms["synonyms"].to_pylist(), strict=True)
            )
            for name in (label, *more)
        }
    )
    return pa.table(
        {
            "name": pa.array([name for name, _ in rows], pa.string()),
            "row": pa.array([row for _, row in rows], pa.int32()),
        }
    )


def main() -> int:
    """Write the tables and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write into")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    terms = table()
    for name, rows in (("terms", terms), ("names", names(terms))):
        path = out / f"{name}.parquet"
        pq.write_table(
            rows,
            path,
            compression="zstd",
            compression_level=19,
            use_dictionary=["ontology"],
            row_group_size=16_384,
        )
        print(f"{path}: {path.stat().st_size:,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
