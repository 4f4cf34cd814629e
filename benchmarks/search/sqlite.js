/** SQLite compiled to WebAssembly: the database fetched whole, text by FTS5. */
import init from '@sqlite.org/sqlite-wasm';
import { answer, ask, tagsOf } from './sql.js';

const HOME = '/npm/@sqlite.org/sqlite-wasm/sqlite-wasm/jswasm/';

export async function open(base, columns) {
  const [sqlite, file] = await Promise.all([
    init({ locateFile: (name) => HOME + name, print() {}, printErr() {} }),
    fetch(`${base}rows.sqlite`).then((response) => response.arrayBuffer()),
  ]);
  const db = new sqlite.oo1.DB();
  const bytes = new Uint8Array(file);
  const at = sqlite.wasm.allocFromTypedArray(bytes);
  const flags = sqlite.capi.SQLITE_DESERIALIZE_FREEONCLOSE | sqlite.capi.SQLITE_DESERIALIZE_RESIZEABLE;
  db.checkRc(sqlite.capi.sqlite3_deserialize(db.pointer, 'main', at, bytes.length, bytes.length, flags));
  db.exec('PRAGMA temp_store = MEMORY');
  const tags = tagsOf(columns);
  const select = (sql) => db.selectArrays(sql);
  const all = new Array(tags.many).fill(0);
  for (const [tag, n] of select('SELECT tag, count(*) FROM tags GROUP BY tag')) all[tag] = n;
  const [[n]] = select('SELECT count(*) FROM rows');
  const newest = select('SELECT row FROM rows ORDER BY row DESC LIMIT 24').flat();
  return {
    async search({ q, terms }) {
      const words = q.split(/[^\p{L}\p{N}]+/u).filter(Boolean).map((word) => `"${word}"`);
      const text = words.length ? `SELECT rowid AS row FROM text WHERE text MATCH '${words.join(' AND ')} *'` : '';
      const sql = ask(tags, terms, text);
      if (!sql) return answer(tags, n, newest, all);
      db.exec(`DROP TABLE IF EXISTS temp.p; CREATE TEMP TABLE p AS ${sql.hits}`);
      const counts = sql.alone ? all.map((n, tag) => (tag >= sql.alone[0] && tag <= sql.alone[1] ? n : 0)) : new Array(tags.many).fill(0);
      for (const [tag, n] of select(sql.counts)) counts[tag] = n;
      const rows = select(sql.rows);
      const first = text ? select(`${text} ORDER BY rank LIMIT 24`) : rows;
      return answer(tags, rows[0]?.[1] ?? 0, first.map(([row]) => row), counts);
    },
  };
}
