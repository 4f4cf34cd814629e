"""One site opened by its address, as a folder, by its catalog, and its catalog alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from portal.client import open_portal
from portal.client.site import Portal
from portal.errors import PortalError, UsageError
from portal.record import Record, Value
from portal.serve import start
from portal.snippets import snippets_of
from tests.clientkit import site
from tests.faultyserver import serving
from tests.sitekit import config, plain_record, record

WAYS = ("folder", "address", "file", "address of the file", "alone")
PICTURE = b"RIFF\0\0\0\0WEBPVP8 "


def made() -> list[Record]:
    lung = (Value(label="lung", id="UBERON:0002048"),)
    lobe = (Value(label="upper lobe of lung", id="UBERON:0008948"),)
    return [
        record("brain-1", aliases=("old",)),
        plain_record("a", "2021-01-01", values={"tissue": lung}, n_obs=10),
        plain_record("b", "2022-01-01", values={"tissue": lobe}, status="announced"),
        plain_record("c", "2023-01-01", values={"tissue": lung}, status="withdrawn"),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = site(tmp_path_factory.mktemp("site"), made())
    (out / "datasets/brain-1/thumb-320.webp").write_bytes(PICTURE)
    return out


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with start(folder, prefix="/portal/") as found:
        yield found


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PORTAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def opened(way: str, folder: Path, address: str, tmp_path: Path) -> Portal:
    if way == "alone":
        copy = tmp_path / "mine.parquet"
        shutil.copy(folder / "catalog/catalog.parquet", copy)
        return open_portal(copy)
    of = folder if way in ("folder", "file") else address
    catalog = "catalog/catalog.parquet"
    file = folder / catalog if way == "file" else f"{address}{catalog}"
    return open_portal(of if way in ("folder", "address") else file)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_answers(way: str, folder: Path, address: str, tmp_path: Path) -> None:
    db = opened(way, folder, address, tmp_path)
    assert db.ids == ["b", "a", "brain-1"]
    assert db.filter(tissue="lung").ids == ["b", "a"]
    assert db.filter(tissue="lungs", n_obs__gte=10).one().id == "a"
    assert db.filter(tissue="central nervous system").ids == ["brain-1"]
    assert db.filter(technology="visium").first() == db.get("brain-1")
    assert db.filter(collection="brains").ids == ["brain-1"]
    assert db.order_by("-n_obs").to_arrow(["n_obs"])["n_obs"].to_pylist() == [3355, 10, None]
    assert db.facets("tissue")["tissue"] == {"lung": 2, "brain": 1, "upper lobe of lung": 1}
    assert db.lookup().tissue.upper_lobe_of_lung == "upper lobe of lung"
    assert db.get("c").status == "withdrawn"
    with pytest.raises(UsageError, match="Did you mean 'lung'"):
        db.filter(tissue="lugn")


@pytest.mark.parametrize("way", WAYS[:4])
def test_a_site_is_searched(way: str, folder: Path, address: str, tmp_path: Path) -> None:
    db = opened(way, folder, address, tmp_path)
    assert db.search("pulmonary").ids == db.search("lung").ids == ["b", "a"]
    assert db.search("sagital").corrected == {"sagital": ["sagittal"]}
    assert db.filter(elements="shapes").ids == ["brain-1"]
    assert db.get("old").id == "brain-1"
    assert db.get("brain-1").record.title == db.get("brain-1").title
    assert db.built_at.startswith("2026")


def test_a_catalog_alone_says_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    db = opened("alone", folder, "", tmp_path)
    with pytest.raises(UsageError, match="needs the index of a site"):
        db.search("lung")
    with pytest.raises(PortalError, match=r"needs elements\.parquet"):
        db.filter(elements="points")
    with pytest.raises(PortalError, match=r"needs genes\.parquet"):
        db.filter(genes="EPCAM")
    assert db.built_at == ""


def test_what_is_no_portal(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "project" / "site")
    with pytest.raises(UsageError, match=r"Its site is .*site: open that"):
        open_portal(tmp_path / "project")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is no portal"):
        open_portal(tmp_path / "empty")
    with pytest.raises(UsageError, match="neither a folder"):
        open_portal(tmp_path / "nowhere")
    (tmp_path / "not.parquet").write_text("no")
    with pytest.raises(PortalError, match="is no Parquet file"):
        len(open_portal(tmp_path / "not.parquet"))
    for told in ("[]", "{", '{"search": "../../secret"}', '{"search": "search/x.bin"}'):
        (tmp_path / "empty" / "build.json").write_text(told)
        with pytest.raises(PortalError, match=r"is no build\.json"):
            open_portal(tmp_path / "empty")


def test_an_address_without_a_portal(tmp_path: Path) -> None:
    with start(tmp_path) as found, pytest.raises(UsageError, match="is no portal"):
        open_portal(found)


def test_only_what_is_needed_is_fetched(folder: Path) -> None:
    with serving(folder) as server:
        db = open_portal(server.url)
        assert len(db.filter(tissue="lung")) == 2
        asked = [path for method, path in server.seen if method == "GET"]
        assert {path.strip("/").split("-")[0] for path in asked} == {"build.json", "search/facets"}
        assert len(asked) == len(set(asked))
        ids = db.filter(tissue="lung").ids
        server.again()
        assert open_portal(server.url).filter(tissue="lung").ids == ids
        moved = [path for method, path in server.seen if method == "GET"]
        assert moved == []  # nothing changed: all of it is in the cache


def test_pictures(folder: Path, address: str) -> None:
    own = open_portal(folder)
    assert 'src="data:image/webp;base64,UklGRg' in own._repr_html_()
    assert own._repr_html_().count("<img") == 1
    far = open_portal(address)._repr_html_()
    assert f'src="{address}datasets/brain-1/thumb-320.webp"' in far
    assert f'href="{address}datasets/brain-1/"' in far


def test_pictures_of_a_site_that_knows_its_address(tmp_path: Path) -> None:
    settings = config(base_url="https://example.org/portal/")
    out = site(tmp_path / "site", made(), settings=settings)
    told = 'src="https://example.org/portal/datasets/brain-1/thumb-320.webp"'
    assert told in open_portal(out)._repr_html_()
    (out / "datasets/brain-1/thumb-320.webp").write_bytes(PICTURE)
    assert told not in open_portal(out)._repr_html_()
    with start(out) as address:
        assert f'src="{address}datasets/brain-1/thumb' in open_portal(address)._repr_html_()


def test_a_site_without_artifacts(tmp_path: Path) -> None:
    db = open_portal(site(tmp_path, []))
    assert len(db) == len(db.filter(tissue="lung")) == 0
    assert db.to_arrow().num_rows == 0
    assert db.ids == []
    assert db.facets()["tissue"] == {}
    assert "0 artifacts" in repr(db)
    assert "<table>" in db._repr_html_()


def test_the_page_s_python_runs_as_it_stands(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    snippets = snippets_of(made()[1], address)
    (python,) = [unescape(re.sub(r"</?[sib]>", "", s.code)) for s in snippets if s.key == "py"]
    assert "load()" not in python  # nobody says where its store is
    names: dict[str, Any] = {}
    exec(python, names)
    assert "Artifact a a" in capsys.readouterr().out
    assert names["artifact"].n_obs == 10
    assert len(names["catalog"]) == 4
