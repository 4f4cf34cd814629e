"""Views of stores elsewhere: those of the same store here, from no more than they need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal import viewremote
from portal.config import Remote
from portal.facts import ElementFacts
from portal.scan import scan_store
from portal.store import ReadLimit, RemoteFault, StoreError
from tests import view_stores
from tests.conftest import find_store
from tests.faultyserver import Server, serving
from tests.publishkit import KEY, SECRET, run_s3
from tests.stores import Maker

pytest.importorskip("spatialdata", reason="needs the extra `build`")

from portal.preview import make_preview
from portal.viewstore import NothingToShow, ViewStore, make_view_store

TABLE = ElementFacts(kind="tables", name="table", path="tables/table")
NEAR = Remote(allow_private=True, timeout=5)
REAL = ("helenalc_blobs_v2", "vitessce_blobs_sd07", "xenium_rep1_points_only")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "stores").mkdir()
    with serving(tmp_path / "stores") as running:
        yield running


def written(folder: Path, elements: dict[str, Any]) -> Path:
    import spatialdata

    path = folder / "made.zarr"
    spatialdata.SpatialData.init_from_elements(elements).write(path)
    return path


def near(source: Path, out: Path, **options: Any) -> ViewStore:
    return make_view_store(source, scan_store(source, name="x"), out / "near.zarr", **options)


def far(address: str, out: Path, **options: Any) -> ViewStore:
    facts = scan_store(address, name="x", remote=NEAR)
    return make_view_store(address, facts, out / "far.zarr", remote=NEAR, **options)


def same(one: ViewStore, other: ViewStore) -> bool:
    files = [
        {p.relative_to(v.path): p.read_bytes() for p in v.path.rglob("*") if p.is_file()}
        for v in (one, other)
    ]
    assert files[0].keys() == files[1].keys()
    assert [n for n in files[0] if files[0][n] != files[1][n]] == []
    assert one.hints == other.hints
    assert one.left_out == other.left_out
    return True


def pixels(store: ViewStore, name: str) -> Any:
    import zarr

    return zarr.open_group(store.path)[f"images/{name}/0"]


def asked(server: Server, part: str) -> set[str]:
    return {path for _, path in server.seen if part in path}


class TestSame:
    @pytest.mark.parametrize("name", sorted(view_stores.STORES))
    def test_made_stores(self, name: str, server: Server, tmp_path: Path) -> None:
        source = view_stores.write(name, server.root)
        assert same(near(source, tmp_path), far(server.url + source.name, tmp_path))

    @pytest.mark.parametrize("name", REAL)
    def test_real_stores(self, name: str, test_data: Path, tmp_path: Path) -> None:
        source = find_store(test_data, name)
        with serving(source.parent) as server:
            facts = scan_store(server.url + source.name, name="x", remote=NEAR)
            server.again()
            out = tmp_path / "far.zarr"
            made = make_view_store(server.url + source.name, facts, out, remote=NEAR)
        assert same(near(source, tmp_path), made)
        print(f"{name}: {len(server.seen)} requests")

    def test_without_ranges(self, server: Server, tmp_path: Path) -> None:
        source = view_stores.write("several_regions", server.root)
        server.again(ranges=False)
        assert same(near(source, tmp_path), far(server.url + source.name, tmp_path))

    @pytest.mark.parametrize("missing", [{}, {"html_for_404": True}, {"missing": 403}], ids=str)
    def test_absent_chunks(self, missing: dict[str, Any], server: Server, tmp_path: Path) -> None:
        values = np.full((1, 800, 800), 7, np.uint8)
        source = written(server.root, {"image": view_stores.image(values, chunks=(1, 400, 400))})
        (source / "images/image/s0/c/0/1/0").unlink()
        address = server.url + source.name
        server.again(**missing)
        made = far(address, tmp_path)
        assert same(near(source, tmp_path), made)
        assert (np.asarray(pixels(made, "image"))[0, [0, 799, 799], [0, 0, 799]] == [7, 0, 7]).all()

    def test_an_image_without_any_chunk(self, server: Server, tmp_path: Path) -> None:
        source = view_stores.write("spots", server.root)
        shutil.rmtree(source / "images/tissue/s0/c")
        made = far(server.url + source.name, tmp_path)
        assert "tissue has no stored pixels and is left out." in made.left_out
        assert same(near(source, tmp_path), made)

    def test_buckets_and_zips(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        obstore = pytest.importorskip("obstore", reason="needs the extra `remote`")
        source = view_stores.write("spots", tmp_path)
        packed = shutil.make_archive(str(tmp_path / "spots.zarr"), "zip", source)
        folder = tmp_path / "s3"
        folder.mkdir()
        with run_s3(folder) as s3:
            for name, value in (
                ("AWS_ENDPOINT_URL", s3.address),
                ("AWS_ALLOW_HTTP", "true"),
                ("AWS_ACCESS_KEY_ID", KEY),
                ("AWS_SECRET_ACCESS_KEY", SECRET),
            ):
                monkeypatch.setenv(name, value)
            bucket = obstore.store.S3Store(s3.bucket)
            for file in [*source.rglob("*"), Path(packed)]:
                if file.is_file():
                    key = file.relative_to(tmp_path).as_posix()
                    obstore.put(bucket, key, file.read_bytes(), use_multipart=False)
            here = near(source, tmp_path)
            assert same(here, far(f"s3://{s3.bucket}/spots.zarr", tmp_path))
            assert same(here, far(f"s3://{s3.bucket}/spots.zarr.zip", tmp_path / "zip"))


class TestNoMore:
    def test_levels_that_do_not_fit_are_not_asked_for(self, server: Server, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        values = rng.integers(0, 65535, (1, 2400, 2400), dtype=np.uint16)
        elements = {"noise": view_stores.image(values, scale_factors=[2, 2], c_coords=["n"])}
        source = written(server.root, elements)
        here = near(source, tmp_path, max_bytes=1_500_000)
        address = server.url + source.name
        facts = scan_store(address, name="x", remote=NEAR)
        server.again()
        out = tmp_path / "far.zarr"
        there = make_view_store(address, facts, out, max_bytes=1_500_000, remote=NEAR)
        assert same(here, there)
        assert asked(server, "/s2/c/")
        assert not asked(server, "/s0/c/")
        assert len(server.seen) == len(set(server.seen))
        read = sum((server.root / p).stat().st_size for p in asked(server, "/c/"))
        whole = sum(p.stat().st_size for p in source.rglob("*") if p.is_file())
        assert read < whole / 2

    def test_columns_that_no_view_shows_are_not_asked_for(
        self, server: Server, tmp_path: Path
    ) -> None:
        table = view_stores.table(300, "spots")
        table.layers["raw"] = table.X.copy()
        table.obsm["X_scvi"] = np.zeros((300, 20), np.float32)
        table.obsm["X_pca"] = np.arange(6000, dtype=np.float32).reshape(300, 20)
        table.obs["total"] = np.linspace(0, 1, 300)
        table.var["mean"] = np.linspace(0, 1, table.n_vars)
        table.uns["long"] = np.zeros(5000)
        spots = view_stores.circles(300)
        spots["score"] = np.random.default_rng(2).random(300)
        points = view_stores.points(20_000)
        points["quality"] = points["x"] * 2
        source = written(server.root, {"spots": spots, "points": points, "table": table})
        here = near(source, tmp_path)
        address = server.url + source.name
        facts = scan_store(address, name="x", remote=NEAR)
        server.again()
        files = []
        opened = viewremote.open_remote

        def noted(*args: Any, **options: Any) -> Any:
            files.append(opened(*args, **options))
            return files[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(viewremote, "open_remote", noted)
            there = make_view_store(address, facts, tmp_path / "far.zarr", remote=NEAR)
        assert same(here, there)
        for part in ("layers/", "X_scvi", "obs/total", "var/mean", "uns/long"):
            assert not asked(server, part), part
        assert asked(server, "X_pca")
        parquet = sum(p.stat().st_size for p in source.rglob("*.parquet") if p.is_file())
        others = {p for p in asked(server, "/c/") if (server.root / p).is_file()}
        read = files[0].bytes_read - sum((server.root / p).stat().st_size for p in others)
        assert read < parquet

    def test_a_picture_of_it(self, server: Server, tmp_path: Path) -> None:
        source = view_stores.write("rgb", server.root)
        address = server.url + source.name
        facts = scan_store(address, name="x", remote=NEAR)
        assert make_preview(address, facts, {}, tmp_path, "far", remote=NEAR)
        assert make_preview(source, scan_store(source), {}, tmp_path, "near")
        one, other = ((tmp_path / f"{n}-640.webp").read_bytes() for n in ("far", "near"))
        assert one == other


class TestFaults:
    @pytest.fixture
    def address(self, server: Server) -> str:
        return server.url + view_stores.write("spots", server.root).name

    def refused(self, address: str, tmp_path: Path, server: Server, **setup: Any) -> StoreError:
        facts = scan_store(address, name="x", remote=NEAR)
        server.again(**setup)
        with pytest.raises(StoreError) as caught:
            make_view_store(address, facts, tmp_path / "out" / "far.zarr", remote=NEAR)
        assert list((tmp_path / "out").iterdir()) == []
        return caught.value

    @pytest.mark.parametrize("status", [403, 500])
    def test_what_fails_is_not_taken_for_absent(
        self, status: int, address: str, server: Server, tmp_path: Path
    ) -> None:
        def fault(path: str, n: int) -> int | None:
            return status if path.endswith("images/tissue/s0/c/0/0/0") else None

        found = self.refused(address, tmp_path, server, fault=fault)
        assert found.code == {403: "remote-refused", 500: "remote-fault"}[status]

    def test_another_store_is_not_drawn(self, address: str, server: Server, tmp_path: Path) -> None:
        facts = scan_store(address, name="x", remote=NEAR)
        document = server.root / "spots.zarr" / "zarr.json"
        document.write_text(document.read_text() + " ")
        with pytest.raises(StoreError) as caught:
            make_view_store(address, facts, tmp_path / "far.zarr", remote=NEAR)
        assert caught.value.code == "scan-drift"
        assert len(server.seen) < 40

    def test_a_store_that_changes_meanwhile(
        self, address: str, server: Server, tmp_path: Path
    ) -> None:
        def change(path: str, n: int) -> None:
            if path.endswith("images/tissue/s0/c/0/0/0"):
                document = server.root / "spots.zarr" / "zarr.json"
                document.write_text(document.read_text() + " ")

        assert self.refused(address, tmp_path, server, fault=change).code == "remote-changed"

    def test_more_than_may_be_read(
        self, address: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(viewremote, "MOST_BYTES", 20_000)
        assert isinstance(self.refused(address, tmp_path, server), ReadLimit)

    def test_what_is_too_large_is_left_out_by_name(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elements = {**view_stores.spots(), "points": view_stores.points(20_000)}
        source = written(server.root, elements)
        monkeypatch.setattr(viewremote, "MOST_VALUES", 1000)
        monkeypatch.setattr(viewremote, "MOST_BYTES", 2_000_000)
        made = far(server.url + source.name, tmp_path)
        told = " ".join(made.left_out)
        assert "points is too large to be read from where it lies" not in told
        assert "The values of table are too many to be read." in told
        assert "tissue, 256 × 256 pixels, is too large to draw here." in told
        assert made.hints["tables"]["table"]["genes"] == []
        monkeypatch.setattr(viewremote, "MOST_BYTES", 400_000)
        told = " ".join(far(server.url + source.name, tmp_path / "less").left_out)
        assert "points is too large to be read from where it lies and is left out." in told

    def test_an_array_of_endless_chunks(self, address: str, server: Server, tmp_path: Path) -> None:
        maker = Maker(server.root / "endless.zarr")
        maker.image("image")
        maker.array("tables/table/obs/long", np.zeros(4, np.int8), chunks=(1,))
        maker.consolidate()
        document = server.root / "endless.zarr" / "zarr.json"
        text = document.read_text()
        assert '"shape": [4]' in text
        document.write_text(text.replace('"shape": [4]', '"shape": [4000000000000]'))
        address = f"{server.url}endless.zarr"
        facts = scan_store(address, name="x", remote=NEAR)
        facts = facts.model_copy(update={"elements": (*facts.elements, TABLE)})
        with pytest.raises(StoreError, match="chunks"):
            make_view_store(address, facts, tmp_path / "far.zarr", remote=NEAR)

    def test_a_server_that_is_gone(self, address: str, server: Server, tmp_path: Path) -> None:
        facts = scan_store(address, name="x", remote=NEAR)
        server.http.shutdown()
        server.http.server_close()
        with pytest.raises(RemoteFault, match="can't be reached"):
            make_view_store(address, facts, tmp_path / "far.zarr", remote=NEAR)

    def test_what_is_no_store_of_spatialdata(self, tmp_path: Path) -> None:
        from portal.facts import StoreFacts

        with pytest.raises(NothingToShow):
            make_view_store("http://127.0.0.1:1/x.zarr", StoreFacts(kind="zarr"), tmp_path / "v")
