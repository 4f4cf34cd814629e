/**
 * Runs one contender over all clicks and all texts. Every contender has the same interface:
 * `open(base, columns, options)` gives an object with `search({q, terms})`, which answers
 * `{total, rows, count(column, place)}`; `rows` are the first 24. Labels stand for terms.
 */

/**
 * @typedef {{column: string, terms: string[], parents: number[][]}} Column
 * @typedef {{q: string, terms: Record<string, string[]>}} Query
 * @typedef {{total: number, rows: number[], count: (column: Column, place: number) => number}} Answer
 * @typedef {{search(query: Query): Promise<Answer>, note?: string}} Contender
 */

const OPEN = {
  ours: () => import('./ours.js'),
  minisearch: () => import('./minisearch.js'),
  flexsearch: () => import('./flexsearch.js'),
  itemsjs: () => import('./itemsjs.js'),
  duckdb: () => import('./duckdb.js'),
  sqlite: () => import('./sqlite.js'),
  pagefind: () => import('./pagefind.js'),
};

/** What is asked and the right answers: read before the clock starts, no part of a contender's bytes. */
async function readPlan(base) {
  return (await fetch(`${base}plan.json`)).json();
}

/** Fewer than 24 rows fill the page; a timer gives the browser its turn between two questions. */
const breathe = () => new Promise((resolve) => setTimeout(resolve, 0));

/** @param {Contender} contender @param {Query[]} queries @param {number} budget milliseconds */
async function clock(contender, queries, budget) {
  const times = [], answers = [], end = performance.now() + budget;
  for (const query of queries) {
    if (performance.now() > end && times.length >= 5) break;
    await breathe();
    const start = performance.now();
    const answer = await contender.search(query);
    times.push(performance.now() - start);
    answers.push(answer);
  }
  return { times, answers };
}

/** @param {Column[]} columns @param {Answer} answer @param {{total: number, counts: Record<string, number[]>}} right */
function faults(columns, answer, right) {
  let wrong = answer.total === right.total ? 0 : 1;
  for (const column of columns) {
    right.counts[column.column].forEach((count, place) => {
      if (column.shown[place] && (answer.count(column, place) ?? 0) !== count) wrong++;
    });
  }
  return wrong;
}

window.run = async ({ name, base, budget, texts: withText, index }) => {
  const plan = await readPlan(base);
  const labels = (terms) => Object.fromEntries(Object.entries(terms).map(([name, places]) => {
    const column = plan.columns.find((c) => c.column === name);
    return [name, places.map((place) => column.terms[place])];
  }));
  const clicks = plan.clicks.map(({ terms }) => ({ q: '', terms: labels(terms) }));
  const start = performance.now();
  const { open } = await OPEN[name]();
  const contender = await open(base, plan.columns, { text: withText, index });
  const first = await contender.search({ q: '', terms: {} });
  const load = performance.now() - start;
  window.live = true;
  await clock(contender, clicks.slice(0, 6), budget / 4);
  const { times, answers } = await clock(contender, clicks, budget);
  const wrong = answers.map((answer, i) => faults(plan.columns, answer, plan.clicks[i]));
  const out = { load, n: first.total, clicks: times, wrong, texts: [], note: contender.note ?? '' };
  await window.told(out); // what is known should the texts take too long
  if (withText) {
    const queries = plan.texts.map((q) => ({ q, terms: {} }));
    await clock(contender, queries, budget / 2); // fetches what a text needs
    const { times, answers } = await clock(contender, queries, budget);
    out.texts = times.map((ms, i) => ({ q: plan.texts[i], ms, total: answers[i].total }));
  }
  return out;
};
window.ready = true;
