"""Tables: AnnData in zarr, in every encoding anndata has written.

Formats: https://anndata.readthedocs.io/en/stable/fileformat-prose.html. Of the values only
the index of var, gene names, categories and the table's own keys are read; never X.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portal.facts import Column, ElementFacts, MatrixFacts
from portal.scan_chunks import check_table_chunks
from portal.scan_codes import Problems, printable
from portal.scan_decode import UnreadableArray, needed_keys, read_values
from portal.scan_nodes import MAX_LENGTH, Node
from portal.scan_survey import Survey
from portal.store import Files, ReadLimit, reason

__all__ = ["ID_COLUMNS", "look_stable", "scan_table"]

MAX_CATEGORIES = 512

_COLUMN_PARTS = ("", "/values", "/codes", "/categories")

_STABLE_ID = re.compile(r"(ENS[A-Z]*G\d{6,}|FBgn\d+|WBGene\d+|ZDB-GENE-|AT\dG\d{5}|\d+$)")
_SYMBOL_COLUMNS = (
    "gene_symbols",
    "gene_symbol",
    "gene_names",
    "gene_name",
    "gene_short_name",
    "feature_name",
    "feature_names",
    "symbol",
    "symbols",
    "hgnc_symbol",
    "mgi_symbol",
    "name",
)
ID_COLUMNS = (
    "gene_ids",
    "gene_id",
    "ensembl_id",
    "ensembl_ids",
    "ensembl",
    "feature_id",
    "feature_ids",
)


def scan_table(files: Files, found: Survey, base: ElementFacts, problems: Problems) -> ElementFacts:
    """Fill in the table at `base.path`."""
    return _Table(files, found, base, problems).facts()


class _Table:
    def __init__(self, files: Files, found: Survey, base: ElementFacts, problems: Problems):
        self.files = files
        self.found = found
        self.base = base
        self.path = base.path
        self.problems = problems

    def facts(self) -> ElementFacts:
        indices = [f"{part}/{self._index_key(part)}" for part in ("obs", "var")]
        if self.found.complete:
            check_table_chunks(self.found, self.path, indices, self.problems)
        self._expect([f"var/{self._index_key('var')}", *self._short_arrays()])
        x = self._matrix("X", "X")
        obs, obs_names, n_obs = self._frame("obs")
        var, _, n_vars = self._frame("var")
        keys = self._keys()
        ids, names, accessions = self._features(var)
        shape = x.shape if x and x.shape and len(x.shape) == 2 else None
        if shape:
            self._check_lengths(n_obs, n_vars, shape)
            n_obs = shape[0] if n_obs is None else n_obs
            n_vars = shape[1] if n_vars is None else n_vars
        self._check_keys(keys, obs, obs_names)
        obsm = tuple(self._matrices("obsm"))
        layers = tuple(self._matrices("layers"))
        for matrix in (*obsm, *layers):
            if n_obs is not None and matrix.shape and matrix.shape[0] != n_obs:
                what = (
                    f"The matrix {matrix.name!r} has {matrix.shape[0]:,} rows, obs has {n_obs:,}."
                )
                self.problems.add("table-shape", "error", self.path, what)
        self._check_names([c.name for c in obs], "obs")
        self._check_names([c.name for c in var], "var")
        parts = [f"{self.path}/{part}" in self.found.nodes for part in ("obs", "var")]
        return self.base.model_copy(
            update={
                "readable": all(parts),
                "n_rows": n_obs,
                "n_vars": n_vars,
                "index_name": self._index_name("obs"),
                "obs": tuple(obs),
                "var": tuple(var),
                "obsm": obsm,
                "layers": layers,
                "x": x,
                "regions": keys["region"],
                "region_key": keys["region_key"],
                "instance_key": keys["instance_key"],
                "feature_ids": ids,
                "feature_names": names,
                "feature_accessions": accessions,
            }
        )

    def _node(self, path: str) -> Node | None:
        return self.found.nodes.get(f"{self.path}/{path}")

    def _values(self, path: str, stop: int | None = None) -> list[Any] | None:
        """Values of an array of the table; None, with a problem, when they cannot be read."""
        node = self._node(path)
        if node is None:
            return None
        try:
            return read_values(self.files, node, stop)
        except ReadLimit as error:
            self.problems.add("scan-limit", "warning", node.path, f"{error}; it is left out.")
        except (UnreadableArray, OSError) as error:
            what = f"The values cannot be read: {reason(error)}."
            self.problems.add("column-unreadable", "warning", node.path, what)
        return None

    def _expect(self, paths: Iterable[str]) -> None:
        """Say that these arrays, with all that makes up a column, are read next."""
        wanted = [self._node(path + inner) for path in paths for inner in _COLUMN_PARTS]
        self.files.expect(
            f"{node.path}/{key}" for node in wanted if node for key in needed_keys(node)
        )

    def _short_arrays(self) -> Iterable[str]:
        """The categories of columns, and what the table itself is about where uns says it."""
        prefix = f"{self.path}/"
        for path, node in self.found.nodes.items():
            if node.array is None or not path.startswith(prefix):
                continue
            inner = path[len(prefix) :]
            part, _, name = inner.removesuffix("/values").rpartition("/")
            categories = name == "categories" or part.endswith("/__categories")
            if inner.startswith("uns/spatialdata_attrs/") or (
                categories and inner.startswith(("obs/", "var/"))
            ):
                yield inner

    # obs and var

    def _frame(self, part: str) -> tuple[list[Column], set[str], int | None]:
        """Columns of obs or var, their names with that of the index, and the number of rows."""
        node = self._node(part)
        if node is None:
            what = f"The table has no {part}, so readers cannot open it."
            self.problems.add("table-part-absent", "error", f"{self.path}/{part}", what)
            return [], set(), None
        if node.array is not None:
            return self._structured(node)
        order = node.attributes.get("column-order")
        index = self._index_key(part)
        if not isinstance(order, list):
            hidden = (index, "__categories")
            order = [name for name in self.found.below(node.path) if name not in hidden]
        names = [str(name) for name in order]
        columns = [c for name in names if (c := self._column(part, name)) is not None]
        rows = self._length(f"{part}/{index}")
        if rows is None:
            what = f"The index of {part} ({index!r}) is absent."
            self.problems.add("table-part-absent", "error", f"{self.path}/{part}", what)
        return columns, {*names, str(self._index_name(part))}, rows

    def _structured(self, node: Node) -> tuple[list[Column], set[str], int | None]:
        """A data frame as one array with named fields, as anndata before 0.7 wrote it."""
        assert node.array is not None
        stored = node.meta.get(".zarray", {}).get("dtype")
        fields = [str(f[0]) for f in stored] if isinstance(stored, list) else []
        columns = [Column(name=name, dtype="object") for name in fields[1:]]
        return columns, set(fields), node.array.shape[0] if node.array.shape else None

    def _index_key(self, part: str) -> str:
        node = self._node(part)
        key = node.attributes.get("_index", "_index") if node else "_index"
        return key if isinstance(key, str) else "_index"

    def _index_name(self, part: str) -> str | None:
        name = self._index_key(part)
        return None if name in ("_index", "index") else name

    def _length(self, path: str) -> int | None:
        """Rows of a column, however it is encoded."""
        for inner in ("", "/codes", "/values"):
            node = self._node(path + inner)
            if node is not None and node.array is not None and node.array.shape:
                return node.array.shape[0]
        return None

    def _column(self, part: str, name: str) -> Column | None:
        path = f"{part}/{name}"
        node = self._node(path)
        if node is None:
            what = f"Column {name!r} is listed, but absent."
            self.problems.add("column-unreadable", "error", f"{self.path}/{part}", what)
            return None
        if node.array is None:
            if self._node(f"{path}/categories") is not None:
                ordered = node.attributes.get("ordered") is True
                return self._categorical(name, f"{path}/categories", ordered)
            values = self._node(f"{path}/values")
            if values is None or values.array is None:
                return Column(name=name, dtype=str(node.attributes.get("encoding-type", "object")))
            return Column(name=name, dtype=values.array.dtype)
        if "categories" in node.attributes:
            # anndata 0.7: codes in the column, categories beside it in `__categories`.
            legacy = f"{part}/__categories/{name}"
            beside = self._node(legacy)
            ordered = beside is not None and beside.attributes.get("ordered") is True
            return self._categorical(name, legacy, ordered)
        dtype = node.array.dtype
        if dtype == "object" and node.attributes.get("encoding-type") == "string-array":
            dtype = "string"
        return Column(name=name, dtype=dtype)

    def _categorical(self, name: str, path: str, ordered: bool) -> Column:
        values = self._values(path, MAX_CATEGORIES)
        return Column(
            name=name,
            dtype="categorical",
            categories=None if values is None else tuple(_texts(values)),
            n_categories=self._length(path),
            ordered=ordered,
        )

    # genes

    def _features(
        self, var: list[Column]
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Index of var; symbols beside it; stable ids beside it."""
        node = self._node("var")
        if node is None or node.array is not None:
            return (), (), ()
        index = self._index_key("var")
        ids = tuple(_texts(self._column_values(f"var/{index}") or []))
        if ids and not any(ids) and not self.found.complete:
            what = "Its chunks are absent, so its names are unknown."
            self.problems.add("chunk-absent", "error", f"{self.path}/var/{index}", what)
            ids = ()
        if len(set(ids)) != len(ids):
            what = f"Of {len(ids):,} names {len(ids) - len(set(ids)):,} are there more than once."
            self.problems.add("var-duplicates", "info", f"{self.path}/var", what)
        if not ids:
            return (), (), ()
        stable = look_stable(ids)
        names = () if not stable else self._beside(var, _SYMBOL_COLUMNS, ids, lambda _: True)
        accessions = () if stable else self._beside(var, ID_COLUMNS, ids, look_stable)
        return ids, names, accessions

    def _beside(
        self,
        var: list[Column],
        wanted: Iterable[str],
        ids: tuple[str, ...],
        fits: Callable[[tuple[str, ...]], bool],
    ) -> tuple[str, ...]:
        """The first column of var with one of the names whose values are as they should be."""
        by_name = {column.name.lower(): column for column in var}
        for name in wanted:
            column = by_name.get(name)
            if column is None or column.dtype not in ("string", "categorical", "object"):
                continue
            self._expect([f"var/{column.name}"])
            values = tuple(_texts(self._column_values(f"var/{column.name}") or []))
            if len(values) == len(ids) and fits(values):
                return values
        return ()

    def _column_values(self, path: str) -> list[Any] | None:
        """The values of a text column, plain, nullable or categorical."""
        node = self._node(path)
        if node is None:
            return None
        if node.array is None and self._node(f"{path}/values") is not None:
            return self._values(f"{path}/values")
        part, _, name = path.rpartition("/")
        if node.array is None:
            codes, categories = f"{path}/codes", f"{path}/categories"
        elif "categories" in node.attributes:
            codes, categories = path, f"{part}/__categories/{name}"
        else:
            return self._values(path)
        indices, texts = self._values(codes), self._values(categories)
        if indices is None or texts is None:
            return None
        return [texts[i] if 0 <= i < len(texts) else "" for i in indices]

    # matrices

    def _matrices(self, group: str) -> Iterable[MatrixFacts]:
        for name in self.found.below(f"{self.path}/{group}"):
            matrix = self._matrix(f"{group}/{name}", name)
            if matrix is not None:
                yield matrix

    def _matrix(self, path: str, name: str) -> MatrixFacts | None:
        node = self._node(path)
        if node is None:
            return None
        array, encoding = node.array, str(node.attributes.get("encoding-type", "array"))
        if array is not None:
            if not array.shape:
                return None  # anndata writes an absent X as a scalar
            return MatrixFacts(
                name=name,
                encoding="array",
                shape=array.shape,
                dtype=array.dtype,
                chunks=array.chunks,
            )
        if encoding == "dataframe":
            columns = node.attributes.get("column-order")
            rows = self._length(f"{path}/{node.attributes.get('_index', '_index')}")
            width = len(columns) if isinstance(columns, list) else 0
            shape = None if rows is None else (rows, width)
            return MatrixFacts(name=name, encoding=encoding, shape=shape)
        encoding = str(node.attributes.get("h5sparse_format", encoding)).removesuffix("_matrix")
        stored = node.attributes.get("shape", node.attributes.get("h5sparse_shape"))
        whole = isinstance(stored, list) and all(
            isinstance(n, int) and 0 <= n <= MAX_LENGTH for n in stored
        )
        data = self._node(f"{path}/data")
        return MatrixFacts(
            name=name,
            encoding=f"{encoding}_matrix" if encoding in ("csr", "csc") else encoding,
            shape=tuple(stored) if whole else None,  # type: ignore[arg-type]
            dtype=data.array.dtype if data and data.array else None,
            chunks=data.array.chunks if data and data.array else None,
        )

    # what the table annotates

    def _keys(self) -> dict[str, Any]:
        """region (a tuple), region_key and instance_key: attributes, else uns."""
        node = self.found.nodes[self.path]
        keys: dict[str, Any] = {}
        for key in ("region", "region_key", "instance_key"):
            value = node.attributes.get(key)
            if value is None and self._node(f"uns/spatialdata_attrs/{key}") is not None:
                value = self._values(f"uns/spatialdata_attrs/{key}")
                if key != "region" and value:
                    value = value[0]
            keys[key] = value
        region = keys["region"]
        listed = region if isinstance(region, list) else [region]
        keys["region"] = tuple(str(r) for r in listed if r is not None)
        for key in ("region_key", "instance_key"):
            keys[key] = keys[key] if isinstance(keys[key], str) else None
        return keys

    # checks

    def _check_lengths(self, n_obs: int | None, n_vars: int | None, shape: Any) -> None:
        for what, rows, expected in (("obs", n_obs, shape[0]), ("var", n_vars, shape[1])):
            if rows is not None and rows != expected:
                text = f"The table's {what} has {rows:,} rows, X has {expected:,}."
                self.problems.add("table-shape", "error", self.path, text)

    def _check_keys(self, keys: Mapping[str, Any], obs: list[Column], names: set[str]) -> None:
        if not keys["region"]:
            self.problems.add(
                "table-annotates-nothing", "info", self.path, "The table names no region."
            )
            return
        if self._node("obs") is None:
            return
        for key in ("region_key", "instance_key"):
            if keys[key] not in names:
                what = f"The {key} is {keys[key]!r}, which is no column of obs."
                self.problems.add(key.replace("_", "-") + "-absent", "error", self.path, what)
        column = next((c for c in obs if c.name == keys["region_key"]), None)
        if column and column.categories is not None and column.n_categories:
            different = set(column.categories) ^ set(keys["region"])
            if different and column.n_categories <= MAX_CATEGORIES:
                what = (
                    f"The region is {list(keys['region'])}, but obs has {list(column.categories)}."
                )
                self.problems.add("region-mismatch", "warning", self.path, what)

    def _check_names(self, names: list[str], part: str) -> None:
        odd = [n for n in names if not all(c.isalnum() or c in "_-." for c in n) or n[:2] == "__"]
        if odd:
            shown = ", ".join(repr(printable(n, 40)) for n in odd[:5])
            what = f"Forbidden characters are in the names of {len(odd)} columns: {shown}."
            self.problems.add("name-forbidden", "info", f"{self.path}/{part}", what)


def _texts(values: list[Any]) -> list[str]:
    """Values as text; the usual case, all text, is told by one quick pass."""
    try:
        "".join(values)
    except TypeError:
        return [value if isinstance(value, str) else str(value) for value in values]
    return values


def look_stable(ids: tuple[str, ...]) -> bool:
    """Whether most of a sample look like accession numbers rather than gene symbols."""
    sample = ids[:: max(1, len(ids) // 50)]
    return sum(bool(_STABLE_ID.match(i)) for i in sample) * 2 > len(sample)
