/**
 * On a phone the rail is a sheet over the page. Without a script a link to it opens it; with one it is a dialog: the
 * rest of the page is out of reach while it is open, Escape closes it, and focus goes back to where it was.
 */

const NARROW = '(max-width: 59.9375em)';
const STOPS = 'a[href], button:not([disabled]), input:not([disabled]), summary, select';

/**
 * @param {HTMLElement} rail
 * @returns {{close: () => void, readonly isOpen: boolean}}
 */
export function sheet(rail) {
  const narrow = matchMedia(NARROW);
  /** @type {HTMLElement[]} */
  let behind = [];
  /** @type {HTMLElement | null} */
  let opener = null;
  const isOpen = () => rail.classList.contains('p-rail--open');

  const open = (/** @type {HTMLElement | null} */ from) => {
    if (isOpen() || !narrow.matches) return;
    opener = from;
    rail.classList.add('p-rail--open');
    rail.setAttribute('role', 'dialog');
    rail.setAttribute('aria-modal', 'true');
    behind = outside(rail);
    for (const element of behind) element.inert = true;
    document.documentElement.classList.add('p-still');
    stops()[0]?.focus();
  };
  const close = () => {
    if (!isOpen()) return;
    rail.classList.remove('p-rail--open');
    rail.setAttribute('role', 'search');
    rail.removeAttribute('aria-modal');
    for (const element of behind) element.inert = false;
    document.documentElement.classList.remove('p-still');
    opener?.focus({ preventScroll: true });
  };
  const stops = () => /** @type {HTMLElement[]} */ ([...rail.querySelectorAll(STOPS)]).filter((element) => element.offsetParent !== null);

  document.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const link = target?.closest('a[href="#filters"], a[href="#results"]');
    if (link?.getAttribute('href') === '#filters' && narrow.matches) {
      event.preventDefault();
      open(/** @type {HTMLElement} */ (link));
    } else if (isOpen() && (link || !target?.closest('.p-rail'))) {
      event.preventDefault();
      close();
    }
  });
  rail.addEventListener('keydown', (event) => {
    if (!isOpen()) return;
    if (event.key === 'Escape') return close();
    if (event.key !== 'Tab') return;
    const all = stops();
    const ends = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
    if (document.activeElement !== ends[0]) return;
    event.preventDefault();
    ends[1]?.focus();
  });
  narrow.addEventListener('change', close);
  // Who came by the link that needs no script finds the sheet open, and can close it.
  if (location.hash === '#filters') {
    location.replace('#results');
    open(document.querySelector('a[href="#filters"]'));
  }
  return { close, get isOpen() { return isOpen(); } };
}

/** Everything beside an element and beside what holds it. @param {HTMLElement} element */
function outside(element) {
  /** @type {HTMLElement[]} */
  const found = [];
  for (let at = element; at.parentElement && at !== document.body; at = at.parentElement) {
    for (const other of at.parentElement.children) {
      if (other !== at && other instanceof HTMLElement && !other.inert && other.tagName !== 'SCRIPT') found.push(other);
    }
  }
  return found;
}
