"""A curator's VitessceConfig: into the manifest, checked, and onto the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from portal.build import build_site
from portal.client.artifact import Artifact
from portal.client.source import open_source
from portal.client.views import save_vitessce_config
from portal.config import load_config
from portal.errors import ProblemsError, UsageError
from portal.viewer import SCHEMA

vitessce = pytest.importorskip("vitessce", reason="needs the extra `build`")

ENTRY = """# Who wrote this: a curator.
title: 'Nuclei'   # as in the paper
source: '{source}'

license: CC0-1.0  # last line
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory, local_stores) -> Path:
    """A portal with one artifact, built."""
    folder = tmp_path_factory.mktemp("views")
    (folder / "data_manifest").mkdir()
    (folder / "site_config.yaml").write_text(f"title: Views\nsource_roots: ['{local_stores}']\n")
    source = local_stores / "ihc-nuclei.zarr"
    (folder / "data_manifest" / "nuclei.yaml").write_text(ENTRY.format(source=source))
    build_site(load_config(folder / "site_config.yaml"), folder / "site")
    return folder


@pytest.fixture
def artifact(built) -> Artifact:
    return Artifact("nuclei", open_source(built / "site"), {"title": "Nuclei"})


@pytest.fixture
def manifest(built, tmp_path) -> Path:
    """A copy of the manifest, to write into."""
    return shutil.copytree(built / "data_manifest", tmp_path / "data_manifest")


def own_store(artifact: Artifact) -> str:
    return "../../" + artifact.record.products.view.store


def config(url: str, **more: object) -> dict:
    """A scatterplot and sets of the nuclei, as a curator writes them by hand."""
    options = {
        "obsSets": {
            "tablePath": "tables/table",
            "obsSets": [{"name": "Group", "path": "tables/table/obs/group"}],
        },
        "obsEmbedding": [{"path": "tables/table/obsm/X_pca", "embeddingType": "PCA"}],
    }
    file = {"fileType": "spatialdata.zarr", "url": url, "options": options}
    return {
        "version": SCHEMA,
        "name": "Mine",
        "description": "",
        "datasets": [{"uid": "A", "name": "A", "files": [file]}],
        "initStrategy": "auto",
        "coordinationSpace": {"dataset": {"A": "A"}, "embeddingType": {"A": "PCA"}},
        "layout": [
            {
                "component": "scatterplot",
                "coordinationScopes": {"dataset": "A", "embeddingType": "A"},
                "x": 0,
                "y": 0,
                "w": 12,
                "h": 12,
            }
        ],
        **more,
    }


def notebook(**where: str) -> object:
    """The picture in a notebook: a VitessceConfig with its own wrapper of the store."""
    vc = vitessce.VitessceConfig(schema_version=SCHEMA, name="In a notebook")
    wrapper = vitessce.SpatialDataWrapper(
        **where,
        image_path="images/ihc",
        obs_feature_matrix_path="tables/table/X",
        obs_set_paths=["tables/table/obs/group"],
        obs_set_names=["Group"],
        obs_embedding_paths=["tables/table/obsm/X_pca"],
        obs_embedding_names=["PCA"],
        coordinate_system="global",
        coordination_values={"obsType": "nucleus"},
    )
    dataset = vc.add_dataset(name="Nuclei").add_object(wrapper)
    vc.layout(vc.add_view("spatialBeta", dataset=dataset))
    return vc


def saved(manifest: Path) -> dict:
    return yaml.safe_load((manifest / "nuclei.yaml").read_text())["views"]


def urls(view: dict) -> list[str]:
    return [f["url"] for d in view["datasets"] for f in d["files"]]


def test_a_config_of_a_notebook_goes_into_the_entry(artifact, manifest):
    path = artifact.save_vitessce_config(
        notebook(sdata_url=own_store(artifact)), name="overview", manifest=manifest
    )
    assert path == manifest / "nuclei.yaml"
    assert urls(saved(manifest)["overview"]) == ["{store}"]


@pytest.mark.parametrize("form", ["page", "site", "file", "placeholder", "given", "local"])
def test_the_store_s_address_becomes_a_placeholder(artifact, manifest, form, local_stores):
    view = artifact.record.products.view.store
    site = "https://elsewhere.example/copy.zarr/"
    address = {
        "page": f"../../{view}",
        "site": view,
        "file": artifact.source.address(view),
        "placeholder": "{store}",
        "given": site,
        "local": "",
    }[form]
    local = notebook(sdata_path=str(local_stores / "ihc-nuclei.zarr"))
    made = local if form == "local" else config(address)
    store = site if form == "given" else None
    save_vitessce_config(artifact, made, name="a", manifest=manifest, store=store)
    assert urls(saved(manifest)["a"]) == ["{store}"]


def test_what_the_curator_wrote_stays_byte_for_byte(artifact, manifest):
    before = (manifest / "nuclei.yaml").read_text()
    for name in ("first", "second", "third"):
        save_vitessce_config(artifact, config("{store}", name=name), name=name, manifest=manifest)
    text = (manifest / "nuclei.yaml").read_text()
    assert text.startswith(before)
    assert list(saved(manifest)) == ["first", "second", "third"]
    assert sorted(p.name for p in manifest.iterdir()) == ["nuclei.yaml"]


@pytest.mark.parametrize(
    "tail",
    [
        "views: {}  # none yet\n",
        "views:\n    old:  # mine\n        version: 1.0.15\n# none yet\n",
        "views: {old: {version: 1.0.15}}\n# none yet",
        "# none yet",
        "views:\r\n  old: {a: 1}\r\n# none yet\r\n",
    ],
)
def test_views_that_are_there_stay(artifact, manifest, tail):
    path = manifest / "nuclei.yaml"
    with path.open("a", newline="") as f:
        f.write(tail)
    had = yaml.safe_load(path.read_text()).get("views") or {}
    save_vitessce_config(artifact, config("{store}"), name="new", manifest=manifest)
    assert saved(manifest) == {**had, "new": config("{store}")}
    with path.open(newline="") as f:
        text = f.read()
    assert "# none yet" in text
    assert ("\r\n  new:\r\n" in text) == ("\r\n" in tail)


def test_a_view_is_replaced_only_when_asked(artifact, manifest):
    for name in ("a", "b"):
        save_vitessce_config(artifact, config("{store}"), name=name, manifest=manifest)
    before = (manifest / "nuclei.yaml").read_bytes()
    with pytest.raises(UsageError, match="replace=True"):
        save_vitessce_config(artifact, config("{store}", name="New"), name="a", manifest=manifest)
    assert (manifest / "nuclei.yaml").read_bytes() == before
    save_vitessce_config(
        artifact, config("{store}", name="New"), name="a", manifest=manifest, replace=True
    )
    assert {n: v["name"] for n, v in saved(manifest).items()} == {"a": "New", "b": "Mine"}


def faulty(**options: object) -> dict:
    made = config("{store}")
    made["datasets"][0]["files"][0]["options"] |= options
    return made


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (config("{store}", version="1.0.19"), "newest that the viewer knows is 1.0.18"),
        (config("{store}", version=None), "view-version"),
        (faulty(image={"path": "images/ihcc"}), "Did you mean 'images/ihc'"),
        (faulty(image={"path": "images/ihc/17"}), "images/ihc/17"),
        (faulty(obsSets=[{"path": "tables/table/obs/grup"}]), "Did you mean 'group'"),
        (faulty(obsEmbedding=[{"path": "tables/table/obsm/X_umap"}]), "obsm/X_umap"),
        (faulty(matrix={"path": "tables/table/Y"}), "tables/table/Y"),
        (config("https://example.org/other.zarr"), "not the artifact's own store"),
        (config("../other/view.zarr"), "not the artifact's own store"),
        (config("{store}/../../other"), "not the artifact's own store"),
        (config("{store}", layout=[{"component": "spatialBetta"}]), "spatialBeta"),
        (config("{store}", datasets=[]), "view-empty"),
    ],
)
def test_a_faulty_config_is_refused_and_nothing_written(artifact, manifest, made, says):
    before = (manifest / "nuclei.yaml").read_bytes()
    with pytest.raises(ProblemsError, match=says):
        save_vitessce_config(artifact, made, name="a", manifest=manifest)
    assert (manifest / "nuclei.yaml").read_bytes() == before


def test_every_fault_is_told_at_once(artifact, manifest):
    made = faulty(image={"path": "images/x"}, other="shapes/y") | {"version": "2"}
    with pytest.raises(ProblemsError) as e:
        save_vitessce_config(artifact, made, name="a", manifest=manifest)
    assert {p.code for p in e.value.problems} == {"view-path", "view-version"}
    assert len(e.value.problems) == 3


def test_files_of_a_table_alone_are_checked_too(artifact, manifest):
    made = config("{store}/tables/table")
    options = {"obsSets": [{"name": "Group", "path": "obs/group"}]}
    made["datasets"][0]["files"][0] |= {"fileType": "anndata.zarr", "options": options}
    save_vitessce_config(artifact, made, name="a", manifest=manifest)
    assert urls(saved(manifest)["a"]) == ["{store}/tables/table"]
    options["obsSets"][0]["path"] = "obs/nothing"
    with pytest.raises(ProblemsError, match="tables/table/obs/nothing"):
        save_vitessce_config(artifact, made, name="b", manifest=manifest)


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 81, "ä"])
def test_a_name_is_a_slug(artifact, manifest, name):
    with pytest.raises(UsageError, match="name of a view"):
        save_vitessce_config(artifact, config("{store}"), name=name, manifest=manifest)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ([], "VitessceConfig"),
        (config("{store}", description="x" * 300_000), "200,000"),
        (config("{store}", description=float("nan")), "JSON"),
        (config("{store}", description={1, 2}), "JSON"),
    ],
)
def test_what_is_no_config_is_refused(artifact, manifest, made, says):
    with pytest.raises(UsageError, match=says):
        save_vitessce_config(artifact, made, name="a", manifest=manifest)


def test_an_artifact_that_the_manifest_does_not_have_is_told(artifact, manifest):
    (manifest / "nuclei.yaml").rename(manifest / "nucleus.yaml")
    with pytest.raises(UsageError, match="Did you mean 'nucleus'"):
        save_vitessce_config(artifact, config("{store}"), name="a", manifest=manifest)
    with pytest.raises(UsageError, match="manifest="):
        save_vitessce_config(artifact, config("{store}"), name="a", manifest=manifest / "no")


@pytest.mark.parametrize("text", ["title: [", "title: a\nviews: 3\n", "{title: a}"])
def test_an_entry_that_can_not_take_a_view_stays_as_it_is(artifact, manifest, text):
    path = manifest / "nuclei.yaml"
    path.write_text(text)
    with pytest.raises((ProblemsError, UsageError)):
        save_vitessce_config(artifact, config("{store}"), name="a", manifest=path)
    assert path.read_text() == text
    assert [p.name for p in manifest.iterdir()] == ["nuclei.yaml"]


# On the page


@pytest.fixture(scope="module")
def shown(built) -> Iterator[str]:
    """The portal with two views of a curator's, built again and served."""
    from portal.serve import start

    artifact = Artifact("nuclei", open_source(built / "site"), {})
    folder = built / "data_manifest"
    save_vitessce_config(
        artifact, notebook(sdata_url=own_store(artifact)), name="picture", manifest=folder
    )
    save_vitessce_config(artifact, config("{store}"), name="scatter", manifest=folder)
    report = build_site(load_config(built / "site_config.yaml"), built / "site")
    assert [p for p in report.problems if p.code.startswith("view")] == []
    with start(built / "site") as base:
        yield base


@pytest.mark.browser
def test_each_of_several_views_can_be_opened_and_draws(shown, browser):
    from tests.e2e.watching import watch

    watched = watch(browser, shown)
    page = watched.page
    page.goto(f"{shown}datasets/nuclei/")
    choice = page.locator("[data-view-select]")
    assert choice.locator("option").all_inner_texts() == [
        *("Composed by the portal", "picture", "scatter"),
    ]
    choice.select_option(label="scatter")
    page.get_by_role("button", name="Open interactive view").click()
    drawn = watched.drawn(2)
    assert page.get_by_text("Scatterplot (PCA)").is_visible()
    choice.select_option(label="picture")
    watched.changed(drawn)
    watched.drawn(4)
    assert page.get_by_text("Scatterplot (PCA)").count() == 0
    assert watched.faults() == []
