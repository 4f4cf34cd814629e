"""Portals and stores in a bucket, which can be listed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from portal.client.filelist import NoFiles, store_files
from portal.client.manifest import Manifest
from portal.client.source import CATALOG, NotThere, open_source
from portal.client.store_cache import kept_store
from tests.fetchkit import artifact, files, publish
from tests.publishkit import KEY, SECRET, S3Server, run_s3
from tests.stores import sound

obstore = pytest.importorskip("obstore", reason="needs the extra `remote`")


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch, s3):
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("PORTAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def bucket(server: S3Server):
    from obstore.store import S3Store

    return S3Store(
        server.bucket,
        config={"endpoint": server.address, "access_key_id": KEY, "secret_access_key": SECRET},
        client_options={"allow_http": True},
    )


def upload(server: S3Server, folder: Path, prefix: str) -> str:
    """Every file below a folder; returns the address."""
    for path, body in files(folder).items():
        obstore.put(bucket(server), f"{prefix}/{path}", body)
    return f"s3://{server.bucket}/{prefix}"


@pytest.fixture
def store(tmp_path) -> Path:
    return sound(tmp_path / "store.zarr").root


def test_a_store_in_a_bucket_is_listed_and_fetched(s3, tmp_path, store):
    url = upload(s3, store, "listed/s.zarr")
    obstore.put(bucket(s3), "listed/s.zarr/images", b"")  # as some note a folder
    publish(tmp_path / "site", "a", store, copy=False, url=url)
    one = artifact(tmp_path / "site", "a")
    wanted = store_files(one.record, one.source)
    folder = kept_store(wanted, progress=False)
    assert files(folder) == files(store)
    assert len(files(kept_store(wanted, ["table"], progress=False))) == len(files(store))
    assert one.open().image("image", 1)[...].any()
    dest = one.download(tmp_path / "dest", ["table"], progress=False)
    assert "images/image/zarr.json" not in files(dest)
    (dest / "tables/table/zarr.json").unlink()
    before = wanted.digest
    assert Manifest.read(dest.parent).refetch(progress=False) == ["a"]
    chunk = "images/image/s0/c/0/0/0"
    obstore.put(bucket(s3), f"listed/s.zarr/{chunk}", bytes((store / chunk).stat().st_size))
    anew = store_files(one.record, one.source)
    assert anew.digest != before
    assert files(kept_store(anew, progress=False)) != files(store)


def test_a_bucket_without_the_store_says_so(s3, tmp_path, store):
    publish(tmp_path / "site", "a", store, copy=False, url=f"s3://{s3.bucket}/nothing/s.zarr")
    one = artifact(tmp_path / "site", "a")
    with pytest.raises(NotThere, match="nothing at s3://"):
        store_files(one.record, one.source)


def test_a_bucket_that_may_not_be_listed_says_so(s3, tmp_path, store, monkeypatch):
    publish(tmp_path / "site", "a", store, copy=False, url=f"s3://{s3.bucket}/listed/s.zarr")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    one = artifact(tmp_path / "site", "a")
    with pytest.raises(NoFiles, match="may not be listed"):
        store_files(one.record, one.source)


def test_a_portal_in_a_bucket_is_read_as_from_anywhere(s3, tmp_path, store):
    publish(tmp_path / "site", "a", store)
    (tmp_path / "site/catalog").mkdir()
    (tmp_path / "site" / CATALOG).write_bytes(b"c")
    source = open_source(upload(s3, tmp_path / "site", "portal"))
    assert source.read(source.catalog) == b"c"
    assert not source.exists("nothing")
    assert source.range("catalog/catalog.parquet", 0, 10) == b"c"
    one = artifact(source, "a")
    assert files(kept_store(store_files(one.record, source), progress=False)) == files(store)
    obstore.put(bucket(s3), f"portal/{CATALOG}", b"new")
    assert open_source(source.root).read(CATALOG) == b"new"


def test_metadata_that_is_stored_compressed_is_what_it_was(s3, tmp_path, store):
    publish(tmp_path / "site", "a", store)
    source = open_source(upload(s3, tmp_path / "site", "packed"))
    for path, body in files(tmp_path / "site").items():
        if path.endswith(".json"):
            packed = gzip.compress(body)
            obstore.put(
                bucket(s3), f"packed/{path}", packed, attributes={"Content-Encoding": "gzip"}
            )
    one = artifact(source, "a")
    assert files(kept_store(store_files(one.record, source), progress=False)) == files(store)
