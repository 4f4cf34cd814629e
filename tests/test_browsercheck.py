"""`portal check --remote`: each thing that a browser would stumble over, on a server that has it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.browsercheck import check_addresses
from portal.config import SiteConfig, load_config
from portal.curation_codes import CODES
from portal.errors import Problem
from portal.manifest import read_manifest
from portal.scan_codes import CODES as SCAN_CODES
from tests.faultyserver import Server, serving
from tests.stores import Maker, sound, zipped


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One that does all that a browser needs."""
    maker = sound(tmp_path / "store.zarr")
    zipped(maker.root, tmp_path / "store.zarr.zip")
    with serving(tmp_path, cors="*") as running:
        yield running


def portal(tmp_path: Path, entry: str, more: str = "") -> SiteConfig:
    root = tmp_path / "portal"
    (root / "data_manifest").mkdir(parents=True)
    (root / "site_config.yaml").write_text(
        f"title: Far\nremote: {{allow_private: true, timeout: 1}}\n{more}"
    )
    (root / "data_manifest/a.yaml").write_text(f"title: Store A\n{entry}")
    return load_config(root / "site_config.yaml")


def found(config: SiteConfig) -> list[Problem]:
    return check_addresses(config, read_manifest(config).entries)


def codes(problems: list[Problem]) -> set[str]:
    return {p.code for p in problems}


@pytest.mark.parametrize("key", ["source", "url"])
def test_a_good_server_has_nothing_but_no_list(tmp_path: Path, server: Server, key: str) -> None:
    config = portal(tmp_path, f"{key}: {server.url}store.zarr\n")
    (problem,) = found(config)
    assert (problem.code, problem.severity) == ("listing-refused", "info")
    assert problem.where == "data_manifest/a.yaml:2"
    assert len(server.seen) <= 8


def test_a_zip_is_asked_for_what_a_zip_needs(tmp_path: Path, server: Server) -> None:
    assert found(portal(tmp_path, f"source: {server.url}store.zarr.zip\n")) == []
    server.again(ranges=False, cors="")
    again = found(portal(tmp_path / "b", f"source: {server.url}store.zarr.zip\n"))
    assert {"range-ignored", "cors-absent"} <= codes(again)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"cors": ""}, "cors-absent", "no Access-Control-Allow-Origin"),
        ({"cors": "https://other.example"}, "cors-absent", "https://other.example"),
        ({"cors_on_errors": False}, "cors-on-404-absent", "404"),
        ({"ranges": False}, "range-ignored", "200"),
        ({"options": 403}, "options-refused", "403"),
        ({"options": 405, "cors_on_errors": False}, "options-refused", "405"),
        ({"types": {"zarr.json": "text/plain"}}, "type-wrong", "text/plain"),
        ({"types": {"zarr.json": "text/html"}}, "type-wrong", "text/html"),
        ({"html_for_404": True}, "webpage-for-absent", "web page"),
        ({"missing": 403}, "absent-not-told", "403"),
        ({"heads": False}, "head-refused", "405"),
        ({"fault": lambda path, n: 403}, "remote-unreadable", "403"),
        ({"fault": lambda path, n: 500}, "remote-unreadable", "500"),
        ({"fault": lambda path, n: "slow"}, "remote-slow", "1 seconds"),
        ({"fault": lambda path, n: "cut"}, "remote-cut", "broke the connection off"),
        ({"fault": lambda path, n: (302, {"Location": "file:///x"})}, "remote-redirect", "file:"),
    ],
)
def test_each_cause_has_a_code_and_a_remedy(
    tmp_path: Path, server: Server, options: dict[str, Any], code: str, words: str
) -> None:
    server.again(**options)
    problems = found(portal(tmp_path, f"source: {server.url}store.zarr\n"))
    problem = next(p for p in problems if p.code == code)
    assert words in problem.what
    assert problem.what.endswith(".")
    assert problem.remedy.endswith(".")
    expected = {code, "listing-refused"}
    if options.get("cors_on_errors") is False:  # one setting, two answers
        expected |= {"cors-on-404-absent"}
    assert codes(problems) <= expected
    assert codes(problems) <= {*CODES, *SCAN_CODES}


def test_one_portal_may_be_let_in_alone(tmp_path: Path, server: Server) -> None:
    server.again(cors="https://portal.example.org")
    config = portal(
        tmp_path,
        f"source: {server.url}store.zarr\n",
        "base_url: https://portal.example.org/data/\n",
    )
    assert codes(found(config)) == {"mixed-content", "listing-refused"}


def test_a_store_without_consolidated_metadata_is_told(tmp_path: Path, server: Server) -> None:
    maker = Maker(tmp_path / "plain.zarr", 2)
    maker.image()
    problems = found(portal(tmp_path, f"source: {server.url}plain.zarr\n"))
    assert codes(problems) == {"not-consolidated", "listing-refused"}


def test_where_requests_are_led_on_is_told(tmp_path: Path, server: Server) -> None:
    def moved(path: str, n: int) -> Any:
        old = path.startswith("old/")
        return (302, {"Location": "/" + path.removeprefix("old/")}) if old else None

    server.again(fault=moved)
    problems = found(portal(tmp_path, f"source: {server.url}old/store.zarr\n"))
    assert "redirected" in codes(problems)


def test_what_is_not_http_is_rewritten_or_told(tmp_path: Path, server: Server) -> None:
    entry = "source: s3://bucket/store.zarr\nurl: gs://bucket/store.zarr\n"
    told = found(portal(tmp_path / "a", entry))
    assert [(p.code, p.severity) for p in told] == [("browser-scheme", "info")] * 2
    assert "'s3://bucket/': 'https://bucket.s3.amazonaws.com/'" in told[0].remedy
    rewrite = f"viewer: {{rewrite: {{'s3://bucket/': '{server.url}'}}}}\n"
    again = found(portal(tmp_path / "b", "source: s3://bucket/store.zarr\n", rewrite))
    assert codes(again) == {"listing-refused"}


def test_places_inside_a_network_are_not_asked(tmp_path: Path, server: Server) -> None:
    config = portal(tmp_path, f"source: {server.url}store.zarr\n")
    remote = config.remote.model_copy(update={"allow_private": False})
    (problem,) = found(config.model_copy(update={"remote": remote}))
    assert (problem.code, problem.severity) == ("remote-private", "error")
    assert server.seen == []


def test_an_announced_artifact_is_not_asked_for(tmp_path: Path, server: Server) -> None:
    assert found(portal(tmp_path, f"status: announced\nsource: {server.url}store.zarr\n")) == []
    assert server.seen == []


def test_the_command_asks_for_the_chosen_entries(tmp_path: Path, server: Server) -> None:
    server.again(cors="")
    config = portal(tmp_path, f"url: {server.url}store.zarr\n")
    (config.manifest_dir / "b.yaml").write_text(f"title: B\nurl: {server.url}other.zarr\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "portal", "check", "--json", *arguments]
        return subprocess.run(command, cwd=config.root, capture_output=True, text=True, check=False)

    done = run("--remote", "data_manifest/a.yaml")
    assert done.returncode == 0, done.stderr
    assert "cors-absent" in {p["code"] for p in json.loads(done.stdout)["problems"]}
    assert run("--remote", "--strict", "data_manifest/a.yaml").returncode == 1
    done = run("--remote")
    assert done.returncode == 1
    assert "remote-unreadable" in {p["code"] for p in json.loads(done.stdout)["problems"]}
    server.again()
    run()
    assert server.seen == []
