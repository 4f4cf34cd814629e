"""A finished site goes where people see it: a folder, S3, or GitHub Pages. One verb: `publish_site`.

Whatever happens on the way, publishing again goes on from there: the target is compared with
the site each time, and nothing is remembered.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portal.errors import BuildError, Problem, UsageError
from portal.publish_pages import pages_problems
from portal.publish_plan import Plan, Progress, site_files

__all__ = ["PublishReport", "publish_site"]


@dataclass(frozen=True)
class PublishReport:
    """What was published, or would be, and what forbids it."""

    target: str
    plan: Plan
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def bytes(self) -> int:
        """Size of the files to write, before compression."""
        return sum(self.plan.sent.values())


def publish_site(
    site: Path,
    target: str,
    *,
    delete: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PublishReport:
    """Make `target` show the finished site in the folder `site`.

    `target` is a folder, `s3://bucket/prefix`, or `gh-pages`, which is only checked. Files that
    the new site does not have stay, for the pages that are still open, unless `delete`. With
    `dry_run` nothing is written. Raises UsageError where site or target are not what they must
    be, BuildError where the machine, the network or the server fails.
    """
    started = time.monotonic()
    say = progress or (lambda what, done, total: None)
    if not target:
        raise UsageError("No target. It is a folder, s3://bucket/prefix or gh-pages.")
    site = site.resolve()
    scheme = target.partition("://")[0] if "://" in target else ""
    with _steady(site):
        files = site_files(site)
        if target == "gh-pages":
            return PublishReport(target, Plan(added=files), pages_problems(files))
        if scheme == "s3":
            from portal.publish_s3 import publish_s3 as put
        elif scheme in ("", "file"):
            from portal.publish_folder import publish_folder as put
        else:
            raise UsageError(
                f"Nothing can be published to {scheme}://. "
                "A target is a folder, s3://bucket/prefix or gh-pages."
            )
        plan = put(site, files, target, delete=delete, dry_run=dry_run, say=say)
    return PublishReport(target, plan, seconds=time.monotonic() - started)


@contextmanager
def _steady(site: Path) -> Iterator[None]:
    """Let no build replace the site while it is read; several may read it."""
    try:
        lock = site.with_name(f".{site.name}.lock").open()
    except OSError:  # no build has worked here
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(f"A build is at work on {site}: publish when it is done.") from None
        yield
