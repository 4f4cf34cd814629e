"""One artifact: its row, its record, and how it shows itself."""

from __future__ import annotations

import json

import pytest

from portal.client.artifact import Artifact
from portal.client.source import Damaged, NotThere, open_source
from portal.describing import describe
from portal.errors import UsageError
from portal.record import Picture, Products
from tests.fetchkit import artifact, publish
from tests.sitekit import record as known_record
from tests.stores import sound


@pytest.fixture
def site(tmp_path):
    publish(tmp_path, "a", sound(tmp_path / "s.zarr").root, metadata={"donor_id": "D1"})
    return tmp_path


def test_columns_of_the_catalog_are_attributes(site):
    one = artifact(site, "a", n_obs=3, tissue=None)
    assert (one.n_obs, one.tissue, one.title) == (3, None, "Artifact a")
    assert {"n_obs", "load", "record"} <= set(dir(one))
    with pytest.raises(AttributeError, match="Did you mean 'n_obs'"):
        one.n_ob  # noqa: B018
    assert not hasattr(one, "__array__")
    assert repr(one) == "<Artifact a: Artifact a>"


def test_an_artifact_is_the_same_wherever_it_was_found(site):
    source = open_source(site)
    assert artifact(source, "a") == artifact(site, "a", n_obs=1)
    assert len({artifact(source, "a"), artifact(site, "a"), artifact(site, "b")}) == 2


def test_the_record_is_read_once_when_it_is_asked_for(site):
    one = artifact(site, "a")
    assert one.record.labels("donor_id") == ["D1"]
    (site / "datasets/a/artifact.json").unlink()
    assert one.record.id == "a"
    with pytest.raises(NotThere):
        artifact(site, "a").record  # noqa: B018


@pytest.mark.parametrize(
    "text", ["", "[]", '{"id": "a"}', '{"id": "b", "title": "B"}', '{"id": "a", "title": 3}']
)
def test_a_record_that_is_none_is_damaged(site, text):
    (site / "datasets/a/artifact.json").write_text(text)
    with pytest.raises(Damaged, match=r"artifact\.json"):
        artifact(site, "a").record  # noqa: B018


@pytest.mark.parametrize("id_", ["../a", "A", "", "a/b", "a\n"])
def test_an_id_that_can_be_none_reads_nothing(site, id_):
    with pytest.raises(UsageError, match="can't be an id"):
        artifact(site, id_).record  # noqa: B018


def test_describe_prints_the_tree_of_the_record(site, capsys):
    one = artifact(site, "a")
    assert one.describe() is None
    told = capsys.readouterr().out
    assert "tables/table:obs" in told
    assert "donor_id: D1" in told
    assert next(str(b.label) for b in describe(one.record).children) == "[b]General[/b]"


def test_in_a_notebook_it_shows_its_picture_and_no_markup_of_the_portal(site):
    webp = b"RIFF\0\0\0\0WEBPVP8 picture"
    (site / "datasets/a/p.webp").write_bytes(webp)
    shown = Picture(files={320: "datasets/a/p.webp"}, width=320, height=240, alt='"><script>')
    record = known_record("a", title="<script>x</script>", products=Products(picture=shown))
    (site / "datasets/a/artifact.json").write_text(record.model_dump_json(by_alias=True))
    html = artifact(site, "a")._repr_html_()
    assert "data:image/webp;base64,UklGR" in html
    assert "&lt;script&gt;x" in html
    assert "<script" not in html
    (site / "datasets/a/p.webp").write_bytes(b"<svg onload=x>")
    assert "<img" not in artifact(site, "a")._repr_html_()
    assert "3,355 spots" in html


def test_a_picture_elsewhere_is_not_read(site):
    (site.parent / "secret.webp").write_bytes(b"RIFF\0\0\0\0WEBP")
    told = json.loads((site / "datasets/a/artifact.json").read_text())
    shown = {"files": {"320": "../secret.webp"}, "width": 1, "height": 1, "alt": ""}
    told["products"]["picture"] = shown
    (site / "datasets/a/artifact.json").write_text(json.dumps(told))
    assert "<img" not in Artifact("a", open_source(site), {})._repr_html_()
