/** A range of numbers: a histogram to see where the artifacts are, and two fields to say from where to where. */
import { make, set, shape } from './dom.js';
import { badge, badgeOf } from './panel.js';
import { parse, value } from './words.js';

/** @typedef {[number | null, number | null]} Range */

const HEIGHT = 44;
const HINTS = /** @type {Record<string, string>} */ ({
  bytes: 'Not a size: write for example 25 MB',
  date: 'Not a date: write for example 2023 or 2023-05-01',
  count: 'Not a number',
});

export class RangeFilter {
  /**
   * @param {HTMLDetailsElement} details
   * @param {import('./types.js').RangeMeta} meta
   * @param {(range: Range) => void} choose
   */
  constructor(details, meta, choose) {
    this.meta = meta;
    this.choose = choose;
    /** @type {Range} */
    this.range = [null, null];
    /** @type {{edges: number[], counts: ArrayLike<number>}} */
    this.histogram = { edges: [], counts: [] };
    /** The field that somebody is writing in. @type {HTMLInputElement | null} */
    this.written = null;
    this.badge = badge(details);
    this.bars = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    set(this.bars, { class: 'p-hist', 'aria-hidden': 'true', preserveAspectRatio: 'none' });
    this.shapes = [shape('in'), shape('out')];
    this.bars.append(...this.shapes);
    this.fields = /** @type {[HTMLInputElement, HTMLInputElement]} */ ([this.field('from', meta.min, 0), this.field('to', meta.max, 1)]);
    this.fault = make('p', { class: 'p-bad p-xs', id: `fault-${meta.column}`, hidden: true });
    this.place = /** @type {Element} */ (details.querySelector('.p-vals'));
    this.values = make('div', { class: 'p-vals p-vals--range', role: 'group', 'aria-label': meta.label },
      this.bars, make('div', { class: 'p-range' }, this.fields[0], make('span', { 'aria-hidden': 'true' }, 'to'), this.fields[1]), this.fault);
    this.details = details;
    details.addEventListener('toggle', () => this.draw());
    this.drag();
  }

  /**
   * @param {string} word
   * @param {number | null} bound
   * @param {0 | 1} end
   */
  field(word, bound, end) {
    const input = make('input', {
      type: 'text', autocomplete: 'off', inputmode: this.meta.kind === 'count' ? 'numeric' : null,
      'aria-label': `${this.meta.label} ${word}`, placeholder: bound === null ? '' : value(this.meta.kind, bound),
    });
    input.addEventListener('input', () => { this.written = input; });
    input.addEventListener('change', () => {
      this.written = null;
      this.read(end);
    });
    return input;
  }

  /** @param {0 | 1} end which field was written in */
  read(end) {
    const field = this.fields[end];
    const written = parse(this.meta.kind, field.value, end === 1);
    this.complain(end, written === undefined);
    if (written === undefined) return;
    /** @type {Range} */
    const range = [...this.range];
    range[end] = written;
    if (range[0] !== null && range[1] !== null && range[0] > range[1]) range.reverse();
    this.choose(range);
  }

  /**
   * @param {0 | 1} end
   * @param {boolean} wrong
   */
  complain(end, wrong) {
    set(this.fields[end], { 'aria-invalid': wrong ? 'true' : null, 'aria-describedby': wrong ? this.fault.id : null });
    this.fault.hidden = !wrong;
    this.fault.textContent = wrong ? HINTS[this.meta.kind] ?? HINTS.count : '';
  }

  /**
   * @param {Range} range
   * @param {{edges: number[], counts: Uint32Array} | undefined} histogram
   */
  show(range, histogram) {
    this.range = range;
    badgeOf(this.badge, Number(range[0] !== null || range[1] !== null));
    range.forEach((bound, i) => {
      const field = this.fields[i];
      this.complain(/** @type {0 | 1} */ (i), false);
      const text = bound === null ? '' : value(this.meta.kind, bound);
      const busy = field === document.activeElement && (field === this.written || parse(this.meta.kind, field.value, i === 1) === bound);
      if (!busy) field.value = text;
    });
    if (histogram) this.histogram = histogram;
    this.draw();
  }

  /** A range that is folded is drawn when it is opened. */
  draw() {
    if (!this.details.open) return;
    if (this.place.isConnected) this.place.replaceWith(this.values);
    const { edges } = this.histogram;
    const [low, high] = this.range;
    this.paint((i) => {
      const last = i === edges.length - 2;
      return (low === null || (last ? edges[i + 1] >= low : edges[i + 1] > low)) && (high === null || edges[i] <= high);
    });
  }

  /** All bars are two shapes, those within and those without. @param {(bar: number) => boolean} within */
  paint(within) {
    const { counts } = this.histogram;
    const most = Math.max(1, ...Array.from(counts));
    const paths = ['', ''];
    for (let i = 0; i < counts.length; i++) {
      const height = counts[i] ? Math.max(2, (counts[i] / most) * HEIGHT) : 0.6;
      paths[within(i) ? 0 : 1] += `M${i * 4 + 0.3} ${HEIGHT}v-${height.toFixed(2)}h3.4v${height.toFixed(2)}z`;
    }
    set(this.bars, { viewBox: `0 0 ${counts.length * 4} ${HEIGHT}` });
    this.shapes.forEach((path, i) => set(path, { d: paths[i] }));
  }

  /** A pointer may draw over the bars instead; whoever has none uses the fields. */
  drag() {
    let first = -1;
    const bar = (/** @type {PointerEvent} */ event) => {
      const { left, width } = this.bars.getBoundingClientRect();
      const n = this.histogram.edges.length - 1;
      return Math.max(0, Math.min(n - 1, Math.floor(((event.clientX - left) / width) * n)));
    };
    const mark = (/** @type {number} */ a, /** @type {number} */ b) => this.paint((i) => i >= Math.min(a, b) && i <= Math.max(a, b));
    this.bars.addEventListener('pointerdown', (event) => {
      if (this.histogram.edges.length < 2) return;
      first = bar(event);
      this.bars.setPointerCapture(event.pointerId);
      mark(first, first);
    });
    this.bars.addEventListener('pointermove', (event) => {
      if (first >= 0) mark(first, bar(event));
    });
    this.bars.addEventListener('pointerup', (event) => {
      if (first < 0) return;
      const ends = [first, bar(event)].sort((a, b) => a - b);
      first = -1;
      const { edges } = this.histogram;
      const last = ends[1] === edges.length - 2;
      this.choose([edges[ends[0]], last ? edges[ends[1] + 1] : edges[ends[1] + 1] - 1]);
    });
    this.bars.addEventListener('pointercancel', () => { first = -1; });
  }
}
