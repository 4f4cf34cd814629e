/** What a first look at the page does without: fetched with the first word, table, or export that somebody wants. */
export { findProse } from '../search/prose.js';
export { openRemote } from '../search/remote.js';
export { TextSearch } from '../search/text.js';
export { ExportMenu } from './exports.js';
export { nothing } from './nothing.js';
export { table } from './table.js';
