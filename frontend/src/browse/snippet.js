/** The selection as a Python program over catalog.parquet, which can be run as it is. */
import { isBounded } from './chips.js';
import { artifacts } from './words.js';

/** @typedef {(query: import('./types.js').Query) => Promise<string[]>} Uids */
/** @typedef {import('./types.js').FacetMeta} FacetMeta */

/** What the page calls a status, and the catalog. */
const STATUS = /** @type {Record<string, string>} */ ({
  'passed all checks': 'pass', warnings: 'warn', errors: 'fail', 'not scanned': 'declared',
});

/**
 * @param {import('./export.js').Selection} selection
 * @param {string[]} columns of the catalog
 * @param {Uids} uids the ids of what a query finds
 */
export async function snippet({ engine, query, total, catalog, page, site }, columns, uids) {
  /** @type {string[]} */
  const terms = [];
  /** @type {string[]} */
  const ranges = [];
  /** @type {string[]} */
  const found = [];
  for (const facet of engine.facets) {
    const chosen = query.terms[facet.column];
    if (!chosen?.length) continue;
    const only = { ...query, q: '', terms: { [facet.column]: chosen }, ranges: {} };
    if (columns.includes(facet.column) || columns.includes(`${facet.column}_terms`)) terms.push(`    ${python(facet.column)}: {${pairs(facet, chosen)}},`);
    else found.push(await ids(uids, only, `${facet.label}, which is no column of the catalog`));
  }
  for (const { column, kind, label } of engine.ranges) {
    const range = query.ranges[column];
    if (!isBounded(range)) continue;
    const only = { ...query, q: '', terms: {}, ranges: { [column]: range } };
    if (columns.includes(column)) ranges.push(`    ${python(column)}: (${bound(kind, range[0])}, ${bound(kind, range[1])}),`);
    else found.push(await ids(uids, only, `${label}, which is no column of the catalog`));
  }
  if (query.q.trim()) found.push(await ids(uids, { ...query, terms: {}, ranges: {} }, `The text ${JSON.stringify(query.q.trim())}`));
  return program({ title: `${artifacts(total)} of ${site}`, page, catalog, terms, ranges, found });
}

/** @param {{title: string, page: string, catalog: string, terms: string[], ranges: string[], found: string[]}} parts */
function program({ title, page, catalog, terms, ranges, found }) {
  return `# ${oneLine(title)}
# ${oneLine(page)}
import io
import urllib.request
from itertools import zip_longest

import pyarrow as pa
import pyarrow.parquet as pq

CATALOG = ${python(catalog)}

# Of each of these columns one of the values, by id: those chosen and all that stand below them.
TERMS = {${block(terms)}}
# From and to, both included; None is open.
RANGES = {${block(ranges)}}
# Ids that were found by other means.
FOUND = [${block(found)}]


def values(row, column):
    """The values of a row with their ids; \`unknown\` where nobody said."""
    given = row[f"{column}_terms"] if f"{column}_terms" in row else row[column]
    ids = row.get(f"{column}_term_ids") or []
    if isinstance(given, bool):
        given = "yes" if given else "no"
    if isinstance(given, str):
        given = [given, *given.split("; ")]
    if not isinstance(given, list):
        given = [] if given is None else [str(given)]
    labels = [" ".join(text.split()) or "unknown" for text in given] or ["unknown"]
    return list(zip_longest(ids[: len(labels)], labels, fillvalue=""))


def has(row, column, chosen):
    names = {name.casefold() for pair in chosen.items() for name in pair}
    return any(
        id_ in chosen if id_ else label.casefold() in names for id_, label in values(row, column)
    )


def rounded(column, value):
    if column == "size_bytes":
        return float(f"{value:.3g}")  # as the site shows it
    return f"{value}-01-01"[:10] if isinstance(value, str) else value


def wanted(row):
    if row["status"] not in ("public", "announced"):
        return False
    if not all(has(row, column, chosen) for column, chosen in TERMS.items()):
        return False
    for column, (low, high) in RANGES.items():
        if row[column] is None:
            return False
        value = rounded(column, row[column])
        if (low is not None and value < low) or (high is not None and value > high):
            return False
    return all(row["uid"] in ids for ids in FOUND)


with urllib.request.urlopen(CATALOG) as answer:
    catalog = pq.read_table(io.BytesIO(answer.read()))
selection = catalog.filter(pa.array([wanted(row) for row in catalog.to_pylist()], pa.bool_()))
print(selection.num_rows, "artifacts")
print("\\n".join(selection["uid"].to_pylist()))
`;
}

/** @param {string[]} lines */
function block(lines) {
  return lines.length ? `\n${lines.join('\n')}\n` : '';
}

/**
 * @param {Uids} uids
 * @param {import('./types.js').Query} query
 * @param {string} why
 */
async function ids(uids, query, why) {
  const found = await uids(query);
  return `    # ${oneLine(why)}\n    {${found.map(python).join(', ') || '*()'}},`;
}

/**
 * Terms and all that stand below them.
 * @param {FacetMeta} facet
 * @param {number[]} chosen
 */
export function closure({ terms }, chosen) {
  const all = new Set(chosen);
  for (let before = -1; before !== all.size;) {
    before = all.size;
    terms.forEach(({ parents }, i) => { if (parents.some((parent) => all.has(parent))) all.add(i); });
  }
  return [...all].sort((a, b) => a - b);
}

/**
 * Terms and those below them by what the catalog calls them: the id, else the label.
 * @param {FacetMeta} facet
 * @param {number[]} chosen
 */
function pairs(facet, chosen) {
  const seen = new Map(closure(facet, chosen).map((term) => {
    const { label, id } = facet.terms[term];
    return [facet.column === 'validation_status' ? STATUS[label] ?? label : id || label, label];
  }));
  return [...seen].map(([key, label]) => `${python(key)}: ${python(label)}`).join(', ');
}

/** @param {string} kind @param {number | null} n */
function bound(kind, n) {
  if (n === null) return 'None';
  return kind === 'date' ? python(new Date(n * 864e5).toISOString().slice(0, 10)) : String(n);
}

/** JSON's strings are Python's too. @param {string} text */
function python(text) {
  return JSON.stringify(text);
}

/** @param {string} text */
function oneLine(text) {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}
