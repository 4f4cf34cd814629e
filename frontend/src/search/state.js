/**
 * The state of browse as an address, so that it can be kept, sent and gone back to.
 *
 * `?q=mouse+brain&tissue=lung&tissue=UBERON:0001851&n_obs=1000..50000&published_at=2023..&sort=title&page=2&view=table`
 * What is as usual is left out. What the index doesn't know is told, and stays in the address until it is removed.
 */
import { fold } from './fold.js';

/**
 * @typedef {import('./engine.js').FacetMeta} FacetMeta
 * @typedef {import('./engine.js').RangeMeta} RangeMeta
 * @typedef {import('./engine.js').Query} Query
 * @typedef {import('./tree.js').Term} Term
 * @typedef {{facets: Pick<FacetMeta, 'column' | 'terms'>[], ranges: Pick<RangeMeta, 'column' | 'kind'>[]}} Known
 * @typedef {[number | null, number | null]} Range
 */

/**
 * @typedef {object} State
 * @property {Query} query
 * @property {string} view cards or table
 * @property {string[]} columns of the table; none: the usual ones
 * @property {{column: string, value: string}[]} unknown values that the index doesn't have
 * @property {[string, string][]} [rest] parameters of others
 */

export const PAGE_SIZE = 48;

const VIEWS = ['cards', 'table'];
const SORTS = ['relevance', 'newest', 'title'];
const DAY = 86_400_000;
const UNITS = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/**
 * @param {string} search with or without its `?`
 * @param {Known} known
 * @returns {State}
 */
export function read(search, known) {
  const facets = new Map(known.facets.map((facet) => [facet.column, facet]));
  const ranges = new Map(known.ranges.map((range) => [range.column, range]));
  /** @type {State & {rest: [string, string][]}} */
  const state = {
    query: { q: '', terms: {}, ranges: {}, sort: 'relevance', page: 1, size: PAGE_SIZE },
    view: 'cards', columns: [], unknown: [], rest: [],
  };
  const { query } = state;
  for (const [name, value] of new URLSearchParams(search)) {
    const facet = facets.get(name);
    const range = ranges.get(name);
    if (facet) {
      const term = find(facet, value);
      if (term === undefined) state.unknown.push({ column: name, value });
      else if (!query.terms[name]?.includes(term)) (query.terms[name] ??= []).push(term);
    } else if (range) {
      const found = readRange(value, range.kind);
      if (!found) state.unknown.push({ column: name, value });
      else if (found[0] !== null || found[1] !== null) query.ranges[name] = found;
    } else if (name === 'q') query.q = value;
    else if (name === 'sort' && (SORTS.includes(value) || ranges.has(value))) query.sort = value;
    else if (name === 'sort') state.unknown.push({ column: name, value });
    else if (name === 'page') query.page = /^[1-9]\d{0,8}$/.test(value) ? Number(value) : 1;
    else if (name === 'view') state.view = VIEWS.includes(value) ? value : 'cards';
    else if (name === 'columns') state.columns = value.split(',').filter((column) => column !== '');
    else state.rest.push([name, value]);
  }
  for (const terms of Object.values(query.terms)) terms.sort((a, b) => a - b);
  return state;
}

/**
 * @param {State} state
 * @param {Known} known
 * @returns {string} without `?`; one state has one address
 */
export function write({ query, view, columns, unknown, rest = [] }, known) {
  const out = new URLSearchParams();
  const addUnknown = (/** @type {string} */ column) => {
    for (const other of unknown) if (other.column === column) out.append(column, other.value);
  };
  if (query.q) out.append('q', query.q);
  for (const facet of known.facets) {
    const terms = [...(query.terms[facet.column] ?? [])].sort((a, b) => a - b);
    for (const term of terms) out.append(facet.column, named(facet, term));
    addUnknown(facet.column);
  }
  for (const { column, kind } of known.ranges) {
    const [low, high] = query.ranges[column] ?? [null, null];
    if (low !== null || high !== null) out.append(column, `${writeNumber(low, kind)}..${writeNumber(high, kind)}`);
    addUnknown(column);
  }
  if (query.sort !== 'relevance') out.append('sort', query.sort);
  addUnknown('sort');
  if (query.page > 1) out.append('page', String(query.page));
  if (view !== 'cards') out.append('view', view);
  if (columns.length) out.append('columns', columns.join(','));
  for (const [name, value] of rest) out.append(name, value);
  // These need no escape in a query, and an id reads better without.
  return out.toString().replace(/%3A/g, ':').replace(/%2C/g, ',').replace(/%2F/g, '/');
}

/**
 * The places of a facet's terms by what they may be called in an address.
 * @typedef {{labels: Map<string, number>, ids: Map<string, number>, folded: Map<string, number>, shared: Set<string>}} Lookup
 */

/** @type {WeakMap<Term[], Lookup>} */
const lookups = new WeakMap();

/** @param {Term[]} terms */
function lookupOf(terms) {
  let lookup = lookups.get(terms);
  if (lookup) return lookup;
  lookup = { labels: new Map(), ids: new Map(), folded: new Map(), shared: new Set() };
  for (let i = 0; i < terms.length; i++) {
    const { label, id } = terms[i];
    const folded = same(label);
    if (lookup.labels.has(label)) lookup.shared.add(label);
    if (!lookup.labels.has(label) || !id) lookup.labels.set(label, i); // the others have ids to be called by
    if (!lookup.folded.has(folded)) lookup.folded.set(folded, i);
    if (id && !lookup.ids.has(same(id))) lookup.ids.set(same(id), i);
  }
  lookups.set(terms, lookup);
  return lookup;
}

/** @param {string} text */
function same(text) {
  return fold(text).trim().replace(/\s+/g, ' ');
}

/**
 * @param {Pick<FacetMeta, 'terms'>} facet
 * @param {string} value a label or an id
 * @returns {number | undefined}
 */
function find({ terms }, value) {
  const { labels, ids, folded } = lookupOf(terms);
  return labels.get(value) ?? ids.get(same(value)) ?? folded.get(same(value));
}

/**
 * The label, where it leads back to the term, else the id.
 * @param {Pick<FacetMeta, 'terms'>} facet
 * @param {number} term
 */
function named(facet, term) {
  const { label, id } = facet.terms[term];
  const { shared } = lookupOf(facet.terms);
  const leads = (/** @type {string} */ value) => find(facet, value) === term;
  if (id && leads(id) && (shared.has(label) || !leads(label))) return id;
  return label;
}

/**
 * @param {string} text `low..high`, either of them open, or one value
 * @param {RangeMeta['kind']} kind
 * @returns {Range | null} null: it is none
 */
export function readRange(text, kind) {
  const at = text.indexOf('..');
  const low = readNumber(at < 0 ? text : text.slice(0, at), kind, false);
  const high = readNumber(at < 0 ? text : text.slice(at + 2), kind, true);
  if (low === undefined || high === undefined || (at < 0 && low === null)) return null;
  return [low, high];
}

/**
 * @param {string} text
 * @param {RangeMeta['kind']} kind
 * @param {boolean} last of the days that a year or a month has
 * @returns {number | null | undefined} null: open; undefined: no number
 */
function readNumber(text, kind, last) {
  const trimmed = text.trim();
  if (!trimmed) return null;
  if (kind === 'date') return readDay(trimmed, last);
  const match = /^([+-]?\d+(?:\.\d+)?(?:e\+?\d{1,2})?)\s*([kmgt]?b)?$/i.exec(trimmed);
  if (!match || (match[2] && kind !== 'bytes')) return undefined;
  const unit = UNITS[/** @type {keyof typeof UNITS} */ ((match[2] ?? '').toUpperCase())];
  return Math.round(Number(match[1]) * unit);
}

/**
 * @param {string} text a day, a month or a year
 * @param {boolean} last
 */
function readDay(text, last) {
  const match = /^(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$/.exec(text);
  if (!match) return undefined;
  const [year, month, day] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  const first = new Date(0);
  first.setUTCFullYear(/** @type {number} */ (year), (month ?? 1) - 1, day ?? 1);
  if (month !== undefined && first.getUTCMonth() !== month - 1) return undefined;
  if (day !== undefined && first.getUTCDate() !== day) return undefined;
  if (last && day === undefined) {
    first.setUTCFullYear(/** @type {number} */ (year) + (month === undefined ? 1 : 0), month ?? 0, 0);
  }
  return Math.round(first.getTime() / DAY);
}

/**
 * @param {number | null} value
 * @param {RangeMeta['kind']} kind
 */
function writeNumber(value, kind) {
  if (value === null) return '';
  return kind === 'date' ? new Date(value * DAY).toISOString().slice(0, 10) : String(value);
}
