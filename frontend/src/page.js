/**
 * What every page does beside being read: `/` goes to the search box, copy buttons copy, and the local navigation
 * shows which section is in sight. Each works alone, and nothing is lost where one can't.
 */

const FEEDBACK = 2000;

/** Puts a copy button back as it was, by button. @type {WeakMap<Element, () => void>} */
const restore = new WeakMap();

/** @param {Document} page */
export function searchKey(page) {
  page.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const input = page.querySelector('[data-search]');
    if (!(input instanceof HTMLElement)) return;
    event.preventDefault();
    input.focus();
    if (input instanceof HTMLInputElement) input.select();
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable], .p-view__stage') !== null;
}

/** @param {Document} page */
export function copyButtons(page) {
  const live = page.createElement('span');
  live.className = 'p-sr';
  live.setAttribute('role', 'status');
  page.body.append(live);
  page.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-copy], [data-copy-text]') : null;
    if (button instanceof HTMLElement) void copy(page, button, live);
  });
}

/**
 * @param {Document} page
 * @param {HTMLElement} button
 * @param {HTMLElement} live
 */
async function copy(page, button, live) {
  const source = button.dataset.copy ? page.querySelector(button.dataset.copy) : null;
  const text = button.dataset.copyText ?? source?.textContent?.trim();
  if (!text) return;
  const done = await write(text);
  const word = done ? 'Copied' : 'Select it and copy by hand';
  live.textContent = word;
  restore.get(button)?.();
  const content = [...button.childNodes];
  button.replaceChildren(word);
  button.toggleAttribute('data-copied', done);
  const timer = setTimeout(() => restore.get(button)?.(), FEEDBACK);
  restore.set(button, () => {
    clearTimeout(timer);
    restore.delete(button);
    button.replaceChildren(...content);
    button.removeAttribute('data-copied');
    live.textContent = '';
  });
  if (!done && source) page.getSelection()?.selectAllChildren(source);
}

/** @param {string} text */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text); // absent where the page isn't served over https
    return true;
  } catch {
    return false;
  }
}

/** @param {Document} page */
export function localNavigation(page) {
  const links = new Map();
  for (const link of page.querySelectorAll('.p-local a[href^="#"]')) {
    const section = page.getElementById(decodeURIComponent(link.getAttribute('href')?.slice(1) ?? ''));
    if (section) links.set(section, link);
  }
  if (links.size === 0 || typeof IntersectionObserver === 'undefined') return;
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) seen.add(entry.target);
      else seen.delete(entry.target);
    }
    // Between two headings nothing is in sight: the last one stays current.
    const current = [...links.keys()].find((section) => seen.has(section));
    if (!current) return;
    for (const [section, link] of links) {
      if (section === current) link.setAttribute('aria-current', 'location');
      else link.removeAttribute('aria-current');
    }
  }, { rootMargin: '-15% 0px -60% 0px' });
  for (const section of links.keys()) observer.observe(section);
}

if (typeof document !== 'undefined') {
  searchKey(document);
  copyButtons(document);
  localNavigation(document);
}
