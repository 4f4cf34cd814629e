"""What CI does with a change, rehearsed in a real repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

from portal.adding import add_store
from portal.config import load_config
from portal.errors import UsageError
from portal.publishing import publish_site
from portal.rehearsing import rehearse
from portal.serve import start
from portal.starting import start_portal
from tests.e2e.watching import watch


def git(folder, *args):
    return subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-C", str(folder), *args],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def clone(tmp_path):
    """A clone of a portal's repository, as a curator has it."""
    origin = tmp_path / "origin"
    start_portal(origin)
    git(tmp_path, "init", "-q", "-b", "main", str(origin))
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "first")
    git(tmp_path, "clone", "-q", str(origin), "clone")
    return tmp_path / "clone"


def test_a_new_entry_is_checked_built_and_compared_with_main(clone):
    rehearse(clone / "site_config.yaml", clone / "site", "origin/main")
    example = clone / "data_manifest" / "example.yaml"
    text = example.read_text()
    (example.with_name("second.yaml")).write_text(text.replace("example artifact", "second one"))
    example.write_text(text.replace("label: brain", "label: brian"))
    done = rehearse(clone / "site_config.yaml", clone / "site", "origin/main")
    told = [(p.where, p.code) for p in done.checked.problems if p.severity == "error"]
    assert told == [("data_manifest/example.yaml:14", "term-label-differs")]
    assert done.comparison is not None
    assert list(done.comparison.added) == ["second"]
    assert [c.column for c in done.comparison.changed["example"]][:1] == ["validation_status"]
    # The cache was restored: only what the change touches is made.
    assert set(done.report.explained) <= {"datasets/second/", "datasets/example/"}
    assert (clone / "site/datasets/second/index.html").is_file()
    assert git(clone, "worktree", "list").count("\n") == 1


@pytest.mark.browser
def test_from_a_clone_to_what_visitors_see(clone, tmp_path, local_stores, browser):
    """A curator adds a store; elsewhere a machine with the cache of main, and no more, checks,
    builds, compares and publishes; a visitor finds the new artifact and opens its view."""
    rehearse(clone / "site_config.yaml", clone / "site", "origin/main")
    store = clone / "stores" / "ihc-spots.zarr"
    shutil.copytree(local_stores / "ihc-spots.zarr", store)
    added = add_store(store, load_config(clone / "site_config.yaml"), title="Spots of a new kind")
    filled_in = re.sub(r"# TODO (\w+):  # required.*", r"\1: unknown", added.text)
    added.path.write_text(filled_in)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "a new artifact")

    git(tmp_path, "clone", "-q", str(clone), "machine")
    machine, web = tmp_path / "machine", tmp_path / "web"
    shutil.copytree(clone / ".portal" / "cache", machine / ".portal" / "cache")
    done = rehearse(machine / "site_config.yaml", machine / "site", "HEAD~1")
    assert [p for p in done.checked.problems if p.severity == "error"] == []
    assert done.comparison is not None
    assert list(done.comparison.added) == ["ihc-spots"]
    assert set(done.report.explained) <= {"datasets/ihc-spots/", "datasets/example/"}
    publish_site(machine / "site", str(web))

    with start(web, prefix="/portal/") as address:
        watched = watch(browser, address)
        page = watched.page
        page.goto(address)
        page.get_by_role("link", name="Browse").first.click()
        page.locator(".p-card", has_text="Spots of a new kind").locator("a").first.click()
        page.wait_for_url("**/datasets/ihc-spots/")
        assert page.locator("h1").inner_text() == "Spots of a new kind"
        page.get_by_role("button", name="Open interactive view").click()
        watched.drawn()
        assert watched.faults() == []


def test_the_command_says_all_to_the_review(clone, tmp_path):
    (clone / "data_manifest" / "bad.yaml").write_text("title: Bad\n")
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        [sys.executable, "-m", "portal", "rehearse", "--github", "--summary", str(summary)],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "::error file=data_manifest/bad.yaml,line=1,title=required-missing::" in done.stdout
    assert "**1 added, 0 changed, 0 removed**" in summary.read_text()


def test_a_state_before_that_is_broken_is_no_fault_of_the_change(clone):
    (clone / "site_config.yaml").write_text("titel: x\n")
    git(clone, "commit", "-q", "-a", "-m", "broken")
    (clone / "site_config.yaml").write_text("title: Mended\n")
    done = rehearse(clone / "site_config.yaml", clone / "site", "HEAD")
    assert done.comparison is None
    assert "titel" in done.before


def test_a_base_that_is_no_commit_is_refused(clone):
    with pytest.raises(UsageError, match="git rev-parse"):
        rehearse(clone / "site_config.yaml", clone / "site", "no-such-branch")


def test_a_preview_is_what_main_will_publish(clone):
    """The site of a rehearsal is that of a build: nothing of the comparison is left in it."""
    rehearse(clone / "site_config.yaml", clone / "site", "origin/main")
    build = json.loads((clone / "site" / "build.json").read_text())
    assert build["artifacts"] == 1
    assert not (clone / "site" / "site").exists()
