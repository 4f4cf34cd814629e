/** Figures as people read and write them; portal/words.py says the same for the pages. */

const UNITS = /** @type {[number, string][]} */ ([[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]);

/** @param {number} n */
export function number(n) {
  return n.toLocaleString('en-US');
}

/** @param {number} n */
export function artifacts(n) {
  return `${number(n)} ${n === 1 ? 'artifact' : 'artifacts'}`;
}

/** @param {number} n bytes, in powers of ten */
export function size(n) {
  for (const [unit, name] of UNITS) {
    if (n >= unit - Math.floor(unit / 2000)) return `${(n / unit).toFixed(n / unit >= 100 ? 0 : 1)} ${name}`;
  }
  return `${n} B`;
}

/** @param {number} n days since 1970-01-01 */
export function date(n) {
  return new Date(n * 864e5).toISOString().slice(0, 10);
}

/**
 * @param {string} kind
 * @param {number} value
 */
export function value(kind, value) {
  return kind === 'bytes' ? size(value) : kind === 'date' ? date(value) : number(value);
}

/**
 * The number that somebody typed; null for nothing, undefined for what can't be read.
 * @param {string} kind
 * @param {string} text
 * @param {boolean} end whether a year or a month stands for its last day
 * @returns {number | null | undefined}
 */
export function parse(kind, text, end) {
  const written = text.trim();
  if (!written) return null;
  if (kind === 'date') return day(written, end);
  const match = /^([\d,. _]*\d)\s*([kmgt]?b?)$/i.exec(written);
  if (!match) return undefined;
  const factor = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 }[match[2].charAt(0).toLowerCase()] ?? 1;
  const n = Number(match[1].replace(/[,_ ]/g, '')) * factor;
  return Number.isFinite(n) ? Math.round(n) : undefined;
}

/**
 * @param {string} text
 * @param {boolean} end
 */
function day(text, end) {
  const match = /^(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$/.exec(text);
  if (!match) return undefined;
  const [year, month, date] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  if (year === undefined || (month !== undefined && (month < 1 || month > 12))) return undefined;
  const at = end && date === undefined
    ? Date.UTC(year, month ?? 12, 0)
    : Date.UTC(year, (month ?? 1) - 1, date ?? 1);
  if (date !== undefined && new Date(at).getUTCDate() !== date) return undefined;
  return at / 864e5;
}
