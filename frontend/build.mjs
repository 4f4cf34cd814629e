/**
 * Builds the scripts of the site into `portal/assets/`: `page`, `view` and `browse` for the pages, `later` for the first
 * word that is searched, `worker` for large collections, `export` for whoever takes a selection away, Vitessce and its
 * chunks for whoever opens a view, the licences of all that is bundled, and `manifest.json`, which names them.
 * Names carry a hash of the content, so a host may keep them for ever. Nothing is done where nothing changed.
 */
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { fetchVitessce, vitessce } from './vitessce.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const SOURCE = path.join(HERE, 'src');
const CACHE = path.join(HERE, '.cache');
const OUT = path.join(HERE, '..', 'portal', 'assets');
const STAMP = path.join(CACHE, 'built.json');

const ENTRIES = ['vitessce/vitessce', 'view', 'page', 'browse', 'later', 'export', 'worker'];
const PAGES = {
  page: 'src/page.js',
  view: 'src/view.js',
  later: 'src/browse/later.js',
  export: 'src/browse/export.js',
  worker: 'src/search/worker.js',
};
const REMOTE = /(?:https?:|wss?:)?\/\/[\w.-]*(?:cdn\.vitessce|data-1\.vitessce|storage\.googleapis\.com\/vitessce|execute-api|unpkg\.com|gstatic\.com|githubusercontent)[\w./@-]*/g;

/** @typedef {{path: string, contents: Uint8Array}} Output */

/** @returns {string} a hash of all that the output depends on */
function fingerprint() {
  const hash = createHash('sha256');
  const sources = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  for (const file of ['build.mjs', 'vitessce.mjs', 'package-lock.json'].map((name) => path.join(HERE, name)).concat(sources)) {
    hash.update(path.relative(HERE, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

/** @param {string} print */
function isBuilt(print) {
  if (!existsSync(STAMP)) return false;
  const stamp = JSON.parse(readFileSync(STAMP, 'utf8'));
  return stamp.print === print && stamp.files.every((/** @type {string} */ file) => existsSync(path.join(OUT, file)));
}

/** @type {import('esbuild').BuildOptions} */
const COMMON = {
  absWorkingDir: HERE,
  outdir: OUT,
  entryNames: '[dir]/[name]-[hash]',
  bundle: true,
  format: 'esm',
  minify: true,
  target: 'es2022',
  legalComments: 'external',
  metafile: true,
  write: false,
  logLevel: 'error',
};

/** In the page's bundle the search of words is fetched with the first word. @type {import('esbuild').Plugin} */
const lateWords = {
  name: 'late-words',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/text\.js$/ }, () => ({ path: path.join(SOURCE, 'browse', 'latewords.js') }));
  },
};

/** @param {string} folder of the unpacked Vitessce */
async function bundle(folder) {
  const results = await Promise.all([
    build({ ...COMMON, entryPoints: PAGES }),
    build({ ...COMMON, entryPoints: { browse: 'src/browse/main.js' }, plugins: [lateWords] }),
    build({
      ...COMMON,
      entryPoints: { 'vitessce/vitessce': 'src/vitessce.js' },
      chunkNames: 'vitessce/chunks/[name]-[hash]',
      splitting: true,
      define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
      plugins: [vitessce(folder, SOURCE)],
    }),
  ]);
  return {
    outputs: results.flatMap(({ outputFiles }) => outputFiles ?? [])
      .map((file) => ({ path: slashes(path.relative(OUT, file.path)), contents: file.contents })),
    inputs: results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {})),
  };
}

/** @param {Output[]} outputs */
function refuseRemote(outputs) {
  const found = outputs.flatMap((file) => {
    const text = Buffer.from(file.contents).toString('latin1');
    return [...text.matchAll(REMOTE)].map((match) => `${file.path}: ${match[0]}`);
  });
  if (found.length) throw new Error(`Left in the bundle, where a page could call it:\n  ${found.join('\n  ')}`);
}

/**
 * @param {Output[]} comments the licence comments that esbuild took out of the code
 * @param {string[]} inputs
 * @param {string} folder of the unpacked Vitessce
 */
function licences(comments, inputs, folder) {
  const packages = new Set(inputs.map((input) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1]).filter((name) => name !== undefined));
  const folders = [folder, ...[...packages].sort().map((name) => path.join(HERE, 'node_modules', name))];
  const texts = folders.map((root) => {
    const { name, version, license } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
    const files = readdirSync(root).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
    const body = files.map((file) => readFileSync(path.join(root, file), 'utf8').trim()).join('\n\n');
    return `${name} ${version} (${license})\n\n${body || 'No licence text in the package.'}`;
  });
  const notes = [...new Set(comments.flatMap((file) => Buffer.from(file.contents).toString().split(/(?<=\*\/)\s*/)).map((text) => text.trim()).filter(Boolean))].sort();
  texts.push(`Licence notes found in the code that Vitessce carries\n\n${notes.join('\n\n')}`);
  return `${texts.join(`\n\n${'-'.repeat(78)}\n\n`)}\n`;
}

/** @param {string} file */
function slashes(file) {
  return file.split(path.sep).join('/');
}

/** @param {Output[]} scripts */
function manifest(scripts) {
  /** @type {Record<string, unknown>} */
  const names = {};
  for (const entry of ENTRIES) {
    const name = path.basename(entry);
    names[name] = scripts.find((file) => new RegExp(`^${entry}-[A-Z0-9]+\\.js$`).test(file.path))?.path;
  }
  /** @type {Record<string, {bytes: number, gzip: number}>} */
  const sizes = {};
  for (const file of [...scripts].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    sizes[file.path] = { bytes: file.contents.length, gzip: gzipSync(file.contents, { level: 9 }).length };
  }
  return { ...names, sizes };
}

/**
 * New files first, then the manifest, then what the manifest no longer names: whoever reads at the time finds a whole set.
 * @param {Output[]} files
 * @param {object} names
 */
function write(files, names) {
  for (const file of files) {
    mkdirSync(path.dirname(path.join(OUT, file.path)), { recursive: true });
    writeFileSync(path.join(OUT, file.path), file.contents);
  }
  writeFileSync(path.join(OUT, 'manifest.json'), `${JSON.stringify(names, null, 1)}\n`);
  const current = new Set(files.map((file) => file.path));
  for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
    const file = slashes(path.relative(OUT, path.join(entry.parentPath, entry.name)));
    const ours = /^(vitessce\/|(page|view|browse|later|export|worker)-[A-Z0-9]+\.js$)/.test(file);
    if (entry.isFile() && ours && !current.has(file)) rmSync(path.join(OUT, file));
  }
}

async function main() {
  const print = fingerprint();
  if (isBuilt(print)) return;
  const folder = fetchVitessce(CACHE);
  const { outputs, inputs } = await bundle(folder);
  const scripts = outputs.filter((file) => file.path.endsWith('.js'));
  const comments = outputs.filter((file) => file.path.endsWith('.LEGAL.txt'));
  refuseRemote(scripts);
  const text = licences(comments, inputs, folder);
  const files = [...scripts, { path: 'vitessce/LICENSES.txt', contents: Buffer.from(text) }];
  const names = manifest(scripts);
  write(files, names);
  writeFileSync(STAMP, JSON.stringify({ print, files: ['manifest.json', ...files.map((file) => file.path)] }));
  const gzip = Object.values(names.sizes).reduce((sum, size) => sum + size.gzip, 0);
  console.log(`portal/assets: ${scripts.length} scripts, ${(gzip / 1e6).toFixed(2)} MB gzip`);
}

await main();
