/** DuckDB compiled to WebAssembly, in its worker: tables from Arrow, text by substrings. */
import { AsyncDuckDB, VoidLogger } from '@duckdb/duckdb-wasm';
import { answer, ask, tagsOf } from './sql.js';

const HOME = `${location.origin}/npm/@duckdb/duckdb-wasm/dist/`;

export async function open(base, columns) {
  const db = new AsyncDuckDB(new VoidLogger(), new Worker(`${HOME}duckdb-browser-eh.worker.js`));
  const read = async (name) => new Uint8Array(await (await fetch(`${base}${name}.arrow`)).arrayBuffer());
  const [tagRows, rowRows] = await Promise.all([read('tags'), read('rows'), db.instantiate(`${HOME}duckdb-eh.wasm`)]);
  const connection = await db.connect();
  await connection.insertArrowFromIPCStream(tagRows, { name: 'tags', create: true });
  await connection.insertArrowFromIPCStream(rowRows, { name: 'rows', create: true });
  const tags = tagsOf(columns);
  const all = new Array(tags.many).fill(0);
  for (const { tag, n } of await connection.query('SELECT tag, count(*)::INT AS n FROM tags GROUP BY tag')) all[tag] = n;
  const total = (await connection.query('SELECT count(*)::INT AS n FROM rows')).get(0).n;
  const newest = [...await connection.query('SELECT row FROM rows ORDER BY row DESC LIMIT 24')].map(({ row }) => row);
  return {
    note: 'text by substrings, unranked: its full-text extension is fetched from elsewhere',
    async search({ q, terms }) {
      const words = q.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
      const text = words.length ? `SELECT row FROM rows WHERE ${words.map((w) => `contains(text, '${w}')`).join(' AND ')}` : '';
      const sql = ask(tags, terms, text);
      if (!sql) return answer(tags, total, newest, all);
      await connection.query(`CREATE OR REPLACE TEMP TABLE p AS ${sql.hits}`);
      const counts = sql.alone ? all.map((n, tag) => (tag >= sql.alone[0] && tag <= sql.alone[1] ? n : 0)) : new Array(tags.many).fill(0);
      const found = await connection.query(sql.counts);
      const [tag, n] = [found.getChild('tag').toArray(), found.getChild('n').toArray()];
      tag.forEach((t, i) => { counts[t] = Number(n[i]); });
      const rows = [...await connection.query(sql.rows)];
      return answer(tags, Number(rows[0]?.n ?? 0), rows.map(({ row }) => row), counts);
    },
  };
}
