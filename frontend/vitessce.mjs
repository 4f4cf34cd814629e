/**
 * Vitessce, as its authors packed it, and what is changed in it while bundling.
 *
 * `npm install vitessce` wants a dependency that is no npm package; the packed `dist` already holds everything, so
 * `npm pack` fetches it, and its hash is checked. Each change must apply exactly as often as stated: a new version
 * that moved something fails the build instead of calling out from somebody's page.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

const VERSION = '4.0.8';
const INTEGRITY = 'sha512-poZpP41oTXtMib0/eKXp0lyAJwCeW0gAPwATFao24yJESsLG2nu1dDRoPxaiuF2/f/H0zEwxHUgKCOgGjRKAfQ==';

/** Remote addresses that Vitessce carries as defaults; `data:,` answers with nothing, at once. */
const ENDPOINTS = [
  ['https://storage.googleapis.com/vitessce-demo-data/enrichr-kg-september-2023', 1],
  ['https://data-1.vitessce.io/genes_filtered.json', 1],
  ['https://nwe7zm1a12.execute-api.us-east-1.amazonaws.com/link', 1],
  ['wss://irrmj4anbk.execute-api.us-east-1.amazonaws.com/production', 1],
  ['https://raw.githubusercontent.com/vitessce/negspy/master/negspy/data', 4],
  ['https://higlass.io/api/v1', 1],
  ['https://unpkg.com', 4],
  ['https://www.gstatic.com/draco/versioned/decoders', 4],
  ['https://gist.githubusercontent.com', 2],
  ['https://gist.github.com', 1],
];

/** @type {[name: string, find: string | RegExp, put: string, times: number][]} */
const CHANGES = [
  ...ENDPOINTS.map(([address, times]) => /** @type {[string, string, string, number]} */ ([`endpoint ${address}`, address, 'data:,', times])),
  // Vega compiles expressions with `Function`, which a CSP forbids, unless told to interpret them; the interpreter is there.
  ['Vega interprets', 'v = g.ast, G = ', 'v = !0, G = ', 1],
  ["MUI's probe for eval", 'lw = new Function("return true")()', 'lw = !1', 1],
  [
    "d3's row reader without eval",
    /return new Function\("d", "return \{" \+ t\.map\(function\(e, n\) \{\s+return JSON\.stringify\(e\) \+ ": d\[" \+ n \+ '\] \|\| ""';\s+\}\)\.join\(","\) \+ "\}"\)/g,
    'return (d) => Object.fromEntries(t.map((e, n) => [e, d[n] || ""]))',
    2,
  ],
  // The parts of a Parquet directory are counted by asking for one more, which then counts as a failure: retried, reported.
  ['no part is no failure', 'throw new Error(`Failed to load parquet footerLength for ${s}`)', 'return null', 1],
  ['the last part ends the count', /(?<=l\.push\(Q\), s \+= 1;\s+\})/g, ' else a = s;', 1],
  // The scale bar is labelled in micrometres whatever the coordinates are: it stays away unless they really are.
  ['no scale bar without a unit', 'return !e || !n || !i || r ? null : new d$', 'return !e || !n || !i || r || !globalThis.portalShowsMicrometres ? null : new d$', 1],
  // Neuroglancer's worker (meshes) is carried as text of 2.5 MB.
  ['no Neuroglancer worker', /(?<=var fVi = Lpt\(")[A-Za-z0-9+/=]+/g, 'Ly8K', 1],
  // An older Viv registers codecs in a table that nothing reads: they keep a second copy of blosc alive.
  ['no second blosc', /vSe\(\w+\.codecId, \(\) => \w+\);/g, '', 3],
  ['no second blosc, its bytes', /(?<=kgi = Dgi\(")[A-Za-z0-9+/=]+/g, '', 1],
];

/** @type {typeof CHANGES} */
const CODEC_CHANGES = [
  ["embind's compiler", /var I = Function;\s+if \(!\(I instanceof Function\)\)[\s\S]*?A instanceof Object \? A : \w;/g, 'return invoker(A);', 1],
];

/** Views that aren't offered, each a module that is imported when first shown. */
const NOT_OFFERED = /\/(higlass|ReactNeuroglancer|index-CjKdDvZm|index-CO_38kOj)[^/]*\.js$|^three(\/|$)/;

/**
 * @param {string} cache a folder to keep the package in
 * @returns {string} the folder of the unpacked package
 */
export function fetchVitessce(cache) {
  const folder = path.join(cache, `vitessce-${VERSION}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const archive = path.join(cache, `vitessce-${VERSION}.tgz`);
  if (!existsSync(archive)) {
    execFileSync('npm', ['pack', '--silent', `vitessce@${VERSION}`, '--pack-destination', cache], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (integrity !== INTEGRITY) {
    rmSync(archive);
    throw new Error(`vitessce ${VERSION} is not the package that was reviewed: its hash is ${integrity}. Build again; if it stays so, look at what the registry serves.`);
  }
  const unpacked = `${folder}.part`;
  rmSync(unpacked, { recursive: true, force: true });
  mkdirSync(unpacked);
  execFileSync('tar', ['-xzf', archive, '-C', unpacked, '--strip-components=1']);
  renameSync(unpacked, folder);
  return folder;
}

/**
 * @param {string} folder of the unpacked package
 * @param {string} source folder of our own modules
 * @returns {import('esbuild').Plugin}
 */
export function vitessce(folder, source) {
  return {
    name: 'vitessce',
    setup(build) {
      build.onResolve({ filter: /^vitessce$/ }, () => ({ path: path.join(folder, 'dist', 'index.min.js') }));
      build.onResolve({ filter: /^https:\/\/cdn\.vitessce\.io\/parquet-wasm/ }, () => ({ path: path.join(source, 'parquet.js') }));
      build.onResolve({ filter: NOT_OFFERED }, () => ({ path: path.join(source, 'stub.js') }));
      build.onLoad({ filter: /vitessce-[^/]*\/dist\/index-psi[^/]*\.js$/ }, ({ path: file }) => ({
        contents: change(readFileSync(file, 'utf8'), CHANGES),
      }));
      build.onLoad({ filter: /vitessce-[^/]*\/dist\/(zstd|blosc|lz4)-[^/]*\.js$/ }, ({ path: file }) => ({
        contents: `import { invoker } from ${JSON.stringify(path.join(source, 'embind.js'))};\n${change(readFileSync(file, 'utf8'), CODEC_CHANGES)}`,
      }));
    },
  };
}

/**
 * @param {string} text of one of Vitessce's modules
 * @param {typeof CHANGES} changes
 */
function change(text, changes) {
  for (const [name, find, put, times] of changes) {
    const parts = text.split(find);
    if (parts.length - 1 !== times) {
      throw new Error(`vitessce ${VERSION}, "${name}": expected ${times} places to change, found ${parts.length - 1}.`);
    }
    text = parts.join(put);
  }
  return text;
}
