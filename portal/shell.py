"""The shell: header, navigation and styles that every page of a site shares.

MkDocs with Material builds the prose, and beside it one blank page for each folder depth with
markers in it. `Shell.wrap` puts catalogue pages between the markers, which costs microseconds
where MkDocs costs milliseconds. Only Material's documented blocks are used, so another theme can
be the shell later.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlsplit

from portal.config import SiteConfig
from portal.csp import InlineHashes, inline_hashes, policy
from portal.errors import BuildError
from portal.resources import docs_dir, templates_dir

__all__ = ["DEPTHS", "Shell", "build_shell"]

DEPTHS = 6
"""Pages lie 0 to 5 folders below the root; by/<column>/<slug>/page/<n>/ is the deepest."""

_RESERVED = {
    *("browse", "by", "catalog", "collections", "data", "datasets"),
    *("quality", "schema", "search", "shell"),
}
_MARKER = re.compile(r"<!--portal:(\w+)-->")
_TAB = re.compile(r"@@(tab|current):([^@]*)@@")
_ORDER = (
    *("index", "using", "searching", "viewing", "python", "columns"),
    *("curators", "curating", "maintainers", "problems", "search-index"),
    *("query", "search", "describe", "load", "cohorts", "curate", "views", "train", "lineage"),
    *("sql", "exchange"),
)
_FOLDERS = {"python": "Python"}
"""What the navigation calls a folder of prose; others are called by their names."""
_ICON = "assets/images/portal.svg"
_INLINE_BYTES = 600
_UNWANTED = re.compile(r"\.map$|/lunr/|/workers/|images/favicon\.png$")


@dataclass(frozen=True)
class Shell:
    """Blank pages by depth, ready to be filled. Key -1 is the 404 page, whose addresses are
    absolute because it is shown at any address."""

    pages: Mapping[int, str]
    site_name: str
    base_url: str = ""
    search: bool = False
    origins: tuple[str, ...] = ()
    _cut: dict[tuple[int, str, bool], list[str]] = field(default_factory=dict, compare=False)

    def wrap(
        self,
        depth: int,
        *,
        title: str,
        head: str,
        content: str,
        tab: str = "",
        viewer: bool = False,
    ) -> str:
        """A whole page: `content` and `head` are HTML, `title` is text.

        `tab` names the tab that is current; `viewer` grants what Vitessce needs in the CSP.
        """
        key = depth, tab, viewer
        parts = self._cut.get(key)
        if parts is None:
            parts = self._cut[key] = self._prepare(depth, tab, viewer)
        name = escape(title)
        full = name if title == self.site_name else f"{name} · {escape(self.site_name)}"
        # Markers stand in a fixed order: csp and tabs are filled already.
        a, b, c, d, e = parts
        return "".join((a, full, b, head, c, name, d, content, e))

    def root(self, depth: int) -> str:
        """What leads from a page to the root of the site: `../../`, or a path for the 404 page."""
        return "../" * depth if depth >= 0 else self._root_path

    @cached_property
    def _root_path(self) -> str:
        return urlsplit(self.base_url).path or "/"

    def _prepare(self, depth: int, tab: str, viewer: bool) -> list[str]:
        html = self.pages[depth]
        csp = policy(inline_hashes(html), viewer=viewer, origins=self.origins)
        html = html.replace("<!--portal:csp-->", csp)

        def mark(match: re.Match[str]) -> str:
            if match[2] != tab:
                return ""
            return " md-tabs__item--active" if match[1] == "tab" else ' aria-current="true"'

        pieces = _MARKER.split(_TAB.sub(mark, html))
        names, texts = pieces[1::2], pieces[0::2]
        if names != ["title", "head", "topic", "content"]:
            raise BuildError(f"The theme's main.html has the wrong markers: {names}.")
        return texts


def build_shell(
    config: SiteConfig,
    out: Path,
    work: Path,
    *,
    generated: Mapping[str, str] | None = None,
    search: bool = False,
    assets: Mapping[str, str] | None = None,
) -> Shell:
    """Build the prose into `out` and return the shell for everything else.

    `work` is a folder of ours; MkDocs runs where what is in it would come out otherwise than when
    it last ran there. `generated` are further Markdown pages,
    path to text. `assets` is the manifest of the front end, its own by default.
    """
    if assets is None:
        from portal.resources import asset_manifest

        assets = asset_manifest()
    source, theme, built = work / "docs", work / "theme", work / "site"
    made_from = work / "made_from"
    before = made_from.read_text("utf-8") if made_from.is_file() else ""
    made_from.unlink(missing_ok=True)
    for folder in (source, theme):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    _copy_theme(config, theme)
    _copy_prose(config, source, generated or {})
    styles = list(_write_styles(config, source / "assets"))
    blanks = _write_blanks(source)
    settings = _settings(config, source, theme, built, styles, search, assets)
    (work / "mkdocs.yml").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    now = _state(work, built)
    if not now or now != before:
        shutil.rmtree(built, ignore_errors=True)
        _run_mkdocs(work)
        now = _state(work, built)
    made_from.write_text(now, "utf-8")

    blank = {d: (built / p).read_text("utf-8") for d, p in {**blanks, -1: "404.html"}.items()}
    pages = {d: _compact(html) for d, html in blank.items()}
    theme_has = inline_hashes(*blank.values())
    _deliver(built, out, {*blanks.values(), "404.html"}, config, theme_has)
    return Shell(
        pages=pages,
        site_name=config.title,
        base_url=config.base_url,
        search=search,
        origins=config.viewer.origins,
    )


def _state(work: Path, built: Path) -> str:
    """A hash of what MkDocs reads in `work` and of what it has made there."""
    state = hashlib.sha256(f"{version('mkdocs')} {version('mkdocs-material')}".encode())
    for path in sorted(p for p in work.rglob("*") if p.is_file()):
        if path.name != "made_from":
            state.update(f"{path.relative_to(work).as_posix()}\0".encode())
            state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest() if built.is_dir() else ""


def _compact(html: str) -> str:
    """Without the blank lines and indentation that templates leave: it is in every page."""
    return re.sub(r"\s*\n\s*", "\n", html).strip() + "\n"


def _copy_theme(config: SiteConfig, theme: Path) -> None:
    shutil.copytree(templates_dir() / "mkdocs", theme)
    if config.templates and (own := config.root / config.templates / "mkdocs").is_dir():
        shutil.copytree(own, theme, dirs_exist_ok=True)


def _copy_prose(config: SiteConfig, source: Path, generated: Mapping[str, str]) -> None:
    """The default prose, then generated pages, then the site's own: later ones win by name."""
    shutil.copytree(docs_dir(), source, dirs_exist_ok=True)
    for name, text in generated.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if not config.docs:
        return
    own = config.root / config.docs
    if not own.is_dir():
        raise BuildError(f"`docs` in site_config.yaml names {config.docs}, which is no folder.")
    taken = sorted(p.name for p in own.iterdir() if p.stem in _RESERVED)
    if taken:
        raise BuildError(f"The portal itself makes {', '.join(taken)}: rename it in {config.docs}.")
    shutil.copytree(own, source, dirs_exist_ok=True)


def _write_styles(config: SiteConfig, assets: Path) -> Iterator[str]:
    """The portal's styles as one file, then the site's own, under names made from the content."""
    folders = [templates_dir() / "css"]
    if config.templates:
        folders.append(config.root / config.templates / "css")
    sheets = {p.name: p for folder in folders for p in sorted(folder.glob("*.css"))}
    css = "".join(_minify(sheets[name].read_text("utf-8")) for name in sorted(sheets))
    yield _write_hashed(assets, "portal", css.encode())
    for name in config.extra_css:
        path = config.root / name
        if not path.is_file():
            raise BuildError(f"`extra_css` in site_config.yaml names {name}, which is no file.")
        yield _write_hashed(assets, path.stem, path.read_bytes())


def _write_hashed(assets: Path, stem: str, content: bytes) -> str:
    assets.mkdir(exist_ok=True)
    name = f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.css"
    (assets / name).write_bytes(content)
    return f"assets/{name}"


def _minify(css: str) -> str:
    """Without comments and indentation: what a compressor does not get rid of by itself."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", "\n", css).strip() + "\n"


def _write_blanks(source: Path) -> dict[int, str]:
    """One blank page for each depth; where each is built, by depth."""
    built = {}
    for depth in range(DEPTHS):
        folder = source.joinpath(*["shell"] * depth)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.md").write_text("---\nshell: true\nhide: [navigation, toc]\n---\n")
        built[depth] = f"{'shell/' * depth}index.html"
    for name in ("browse", "collections"):  # so that the navigation has something to point to
        (source / name).mkdir()
        shutil.copy(source / "index.md", source / name / "index.md")
    return built


def _settings(
    config: SiteConfig,
    source: Path,
    theme: Path,
    built: Path,
    styles: list[str],
    search: bool,
    assets: Mapping[str, str],
) -> dict[str, object]:
    """What goes into mkdocs.yml. JSON is YAML too, and can't be misread."""
    return {
        "site_name": escape(config.title),  # Material writes it as it is
        "site_description": config.description or config.tagline or config.title,
        **({"site_url": config.base_url} if config.base_url else {}),
        "docs_dir": str(source.resolve()),
        "site_dir": str(built.resolve()),
        "nav": _navigation(source),
        "theme": {
            "name": "material",
            "custom_dir": str(theme.resolve()),
            "font": False,
            "favicon": _ICON,
            "features": ["navigation.tabs"],
            "palette": [
                _palette("light", "default", "dark", "material/weather-night"),
                _palette("dark", "slate", "light", "material/weather-sunny"),
            ],
        },
        "plugins": [],
        "extra": {"portal_search": search, "portal_icon": _inline(theme / _ICON)},
        "extra_css": styles,
        "extra_javascript": [{"path": f"assets/{assets['page']}", "type": "module"}]
        if "page" in assets
        else [],
        "markdown_extensions": [
            "admonition",
            "attr_list",
            "def_list",
            "footnotes",
            "md_in_html",
            {"tables": {"use_align_attribute": True}},
            {"toc": {"permalink": True}},
            "pymdownx.details",
            {"pymdownx.highlight": {"pygments_lang_class": True}},
            "pymdownx.superfences",
            {"pymdownx.tabbed": {"alternate_style": True}},
        ],
        "validation": {"links": {"not_found": "info", "unrecognized_links": "ignore"}},
    }


def _inline(icon: Path) -> str:
    """A small icon as an address of its own: one request less on every first visit."""
    svg = icon.read_text("utf-8").strip()
    if len(svg) > _INLINE_BYTES:
        return ""
    return f"data:image/svg+xml,{quote(svg, safe=' =:/')}"


def _palette(name: str, scheme: str, other: str, icon: str) -> dict[str, object]:
    return {
        "media": f"(prefers-color-scheme: {name})",
        "scheme": scheme,
        "primary": "custom",  # the colours are those of our own style sheet
        "accent": "custom",
        "toggle": {"icon": icon, "name": f"Switch to {other} mode"},
    }


def _navigation(source: Path) -> list[object]:
    """Home, Browse, Collections, Docs, the site's own pages, About."""
    own = [p for p in sorted(source.glob("*.md")) if p.stem not in ("index", "about")]
    return [
        {"Home": "index.md"},
        {"Browse": "browse/index.md"},
        {"Collections": "collections/index.md"},
        {"Docs": _listing(source / "docs", source)},
        *[p.name for p in own],
        {"About": "about.md"},
    ]


def _listing(folder: Path, source: Path) -> list[object]:
    """The pages of a folder in the navigation, and the folders in it, each with its own."""

    def rank(path: Path) -> tuple[int, str]:
        return (_ORDER.index(path.stem) if path.stem in _ORDER else len(_ORDER), str(path))

    listed: list[object] = []
    for path in sorted(folder.iterdir(), key=rank):
        if path.is_dir() and (inside := _listing(path, source)):
            listed.append(
                {_FOLDERS.get(path.name, path.name.replace("-", " ").capitalize()): inside}
            )
        elif path.suffix == ".md":
            listed.append(path.relative_to(source).as_posix())
    return listed


def _run_mkdocs(work: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "-f", str(work / "mkdocs.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise BuildError(f"MkDocs could not build the prose:\n{said}")


def _deliver(
    built: Path, out: Path, blanks: set[str], config: SiteConfig, theme_has: InlineHashes
) -> None:
    """Put prose and theme into `out`; blank pages and what nothing asks for stay behind.

    Only what the theme itself has inline is allowed: a script in the prose does not run.
    """
    skip = {*blanks, "browse/index.html", "collections/index.html", "sitemap.xml", "sitemap.xml.gz"}
    for path in sorted(p for p in built.rglob("*") if p.is_file()):
        name = path.relative_to(built).as_posix()
        if name in skip or _UNWANTED.search(name):
            continue
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".html":
            html = path.read_text("utf-8")
            hashes = inline_hashes(html).among(theme_has)
            csp = policy(hashes, viewer=False, origins=config.viewer.origins)
            target.write_text(html.replace("<!--portal:csp-->", csp), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
