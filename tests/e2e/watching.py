"""A browser page that is watched: what it asks for, what it complains of, what it draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# WebGL canvases are blank when read unless they keep their buffer.
KEEP_PIXELS = """(() => {
  const original = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    const more = /webgl/.test(kind) ? { ...options, preserveDrawingBuffer: true } : options;
    return original.call(this, kind, more);
  };
  document.addEventListener('securitypolicyviolation', (e) =>
    console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI));
})();"""

# A histogram of 4-bit colours over every deck.gl canvas of the page, as [[colour, share], ...].
COLOURS = """() => [...document.querySelectorAll('canvas')].filter((c) => c.id.startsWith('deckgl-overlay'))
  .map((c) => {
    const copy = document.createElement('canvas');
    copy.width = copy.height = 160;
    const at = copy.getContext('2d', { willReadFrequently: true });
    at.drawImage(c, 0, 0, 160, 160);
    const data = at.getImageData(0, 0, 160, 160).data;
    const seen = {};
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 0) continue;
      const key = [data[i] >> 4, data[i + 1] >> 4, data[i + 2] >> 4].join(',');
      seen[key] = (seen[key] ?? 0) + 1 / 25600;
    }
    return seen;
  })"""


@dataclass
class Watched:
    """A page and everything that it did."""

    page: Page
    origin: str
    requests: list[str] = field(default_factory=list)
    responses: list[tuple[int, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Console errors, requests to other origins, and answers that are not success."""
        elsewhere = [
            f"request elsewhere: {u}"
            for u in self.requests
            if urlsplit(u).scheme in ("http", "https", "ws", "wss")
            and not u.startswith(self.origin)
        ]
        failed = [f"{status} {url}" for status, url in self.responses if status >= 400]
        return [*self.complaints, *elsewhere, *failed]

    def colours(self) -> list[dict[str, float]]:
        """The colours of each canvas that draws data: colour to share of the canvas."""
        return self.page.evaluate(COLOURS)

    def drawn(self, at_least: int = 4) -> list[dict[str, float]]:
        """Wait until some canvas shows `at_least` colours and stands still; returns all of them."""
        before: list[dict[str, float]] = []
        for _ in range(120):
            now = self.colours()
            if max((len(c) for c in now), default=0) >= at_least and now == before:
                return now
            before = now
            self.page.wait_for_timeout(500)
        raise AssertionError(
            f"nothing drawn after a minute: {[len(c) for c in before]} colours; "
            f"state: {self.state()!r}; {self.faults()}"
        )

    def changed(self, before: list[dict[str, float]], by: float = 0.01) -> list[dict[str, float]]:
        """Wait until the canvases differ from `before` by a share of their pixels."""
        for _ in range(60):
            now = self.colours()
            if difference(before, now) >= by:
                return now
            self.page.wait_for_timeout(500)
        raise AssertionError(f"the colours stayed as they were; {self.faults()}")

    def state(self) -> str:
        """What the page says about its view."""
        return self.page.locator("figure[data-view]").inner_text()


def difference(a: list[dict[str, float]], b: list[dict[str, float]]) -> float:
    """The largest share of a canvas that changed colour."""
    if len(a) != len(b):
        return 1.0
    return max(
        (
            sum(abs(x.get(k, 0) - y.get(k, 0)) for k in x.keys() | y.keys()) / 2
            for x, y in zip(a, b, strict=True)
        ),
        default=0.0,
    )


def watch(browser: Browser, origin: str, **context: object) -> Watched:
    """Open a page of its own; `origin` is where it may ask."""
    page = browser.new_context(
        **{"viewport": {"width": 1440, "height": 1000}, **context}
    ).new_page()
    watched = Watched(page, origin)
    page.add_init_script(KEEP_PIXELS)
    page.on("request", lambda r: watched.requests.append(r.url))
    page.on("response", lambda r: watched.responses.append((r.status, r.url)))
    page.on(
        "console",
        lambda m: watched.complaints.append(f"{m.type}: {m.text}") if m.type == "error" else None,
    )
    page.on("pageerror", lambda e: watched.complaints.append(f"exception: {e}"))
    return watched
