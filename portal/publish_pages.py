"""Whether GitHub Pages can take a site: its limits, told before a deployment runs into them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from portal.errors import Problem, Severity
from portal.words import size as size_text

__all__ = ["NEXT_STEPS", "pages_problems"]

SITE_BYTES = 1_000_000_000
FILE_BYTES = 100_000_000
NEXT_STEPS = (
    "GitHub Pages takes the site from a workflow: the one that `portal init` writes uploads it "
    "with actions/upload-pages-artifact and puts it online with actions/deploy-pages. Push to the "
    "main branch, with Settings > Pages > Source set to GitHub Actions. A deployment is stopped "
    "after 10 minutes."
)


def pages_problems(files: Mapping[str, int]) -> list[Problem]:
    """What GitHub Pages would refuse, or leave out without a word."""
    problems = []
    total = sum(files.values())
    if total > SITE_BYTES:
        problems.append(
            _problem(
                "pages-site-size",
                "build.json",
                f"The site has {size_text(total)}; GitHub Pages takes {size_text(SITE_BYTES)}.",
                "Lower `limits.site_bytes` or set `data.publish: link`, and build again.",
            )
        )
    problems += [
        _problem(
            "pages-file-size",
            name,
            f"The file has {size_text(size)}; GitHub takes {size_text(FILE_BYTES)}.",
            "Put its store elsewhere and name it by `url`, or set `data.publish: link`.",
        )
        for name, size in files.items()
        if size > FILE_BYTES
    ]
    hidden: dict[str, int] = {}
    for name in files:
        parts = PurePosixPath(name).parts
        if any(part.startswith(".") for part in parts):
            where = "/".join(parts[:3])
            hidden[where] = hidden.get(where, 0) + 1
    problems += [
        _problem(
            "pages-hidden-files",
            where,
            f"Names of {n:,} files begin with a dot: from version 4 on "
            "actions/upload-pages-artifact leaves them out, and a store of zarr format 2 can't be "
            "read without them.",
            "Use version 3, as the workflow that `portal init` writes does, or zarr format 3.",
            "warning",
        )
        for where, n in hidden.items()
    ]
    return problems


def _problem(
    code: str, where: str, what: str, remedy: str, severity: Severity = "error"
) -> Problem:
    return Problem(code=code, severity=severity, where=where, what=what, remedy=remedy)
