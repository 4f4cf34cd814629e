"""Scans of many local stores: whoever does them, they say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal import scanning
from portal.scan import scan_store
from portal.scanning import ToScan, scan_stores
from portal.working import Crew
from tests import workingkit
from tests.stores import sound


@pytest.fixture
def stores(tmp_path: Path) -> list[ToScan]:
    return [
        ToScan(f"s{i}", sound(tmp_path / f"s{i}.zarr", 2 + i % 2).root, 64_000_000)
        for i in range(4)
    ]


@pytest.mark.parametrize("patience", [0, 60], ids=["beside", "here"])
def test_all_are_scanned(
    stores: list[ToScan], patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_PATIENCE", patience)
    told = []
    with Crew(2) as crew:
        found = scan_stores(stores, crew, lambda: told.append(1))
        assert bool(crew._all) == (patience == 0)
    assert found == {s.id: scan_store(s.path, name=s.id) for s in stores}
    assert all(found[s.id].state == scan_store(s.path).state for s in stores)
    assert len(told) == 4


def test_a_store_that_kills_its_process_is_told(
    stores: list[ToScan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_PATIENCE", 0)
    monkeypatch.setattr(scanning, "_scan", workingkit.scan_or_die)
    with Crew(2) as crew:
        found = scan_stores(stores, crew)
    assert found["s1"].kind == "unreadable"
    (problem,) = found["s1"].problems
    assert (problem.code, problem.severity, problem.where) == ("scan-failed", "error", "s1")
    assert {s.id for s in stores if found[s.id].kind == "spatialdata"} == {"s0", "s2", "s3"}
