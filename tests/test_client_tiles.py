"""Which elements tiles are cut from, and the tiles themselves where `.venv-ml` is there."""

from __future__ import annotations

import json
import sys

import pytest

from portal.client.tiles import plan_tiles, tiles_of, tiles_of_many
from portal.errors import PortalError, UsageError
from portal.facts import ElementFacts, StoreFacts, Transformation
from portal.record import Record
from tests.mlkit import run_in_ml
from tests.sitekit import record


def element(kind: str, name: str, *systems: str, **more: object) -> ElementFacts:
    to = tuple(Transformation(coordinate_system=s, kind="identity") for s in systems)
    return ElementFacts.model_validate(
        {"kind": kind, "name": name, "path": f"{kind}/{name}", "transformations": to, **more}
    )


def of(*elements: ElementFacts, default_table: str | None = "table") -> Record:
    facts = StoreFacts(kind="spatialdata", elements=elements)
    return Record(id="a", title="A", facts=facts, default_table=default_table)


IMAGE = element("images", "he", "global")
CELLS = element("labels", "cells", "global")
SPOTS = element("shapes", "spots", "global", "hires")
TABLE = element("tables", "table", regions=("spots",))


def test_the_table_s_region_and_the_one_image_are_taken():
    plan = plan_tiles(record())
    assert plan.images == {"spots": "he"}
    assert plan.coordinate_systems == {"spots": "global"}
    assert plan.table == "table"
    assert plan.elements == ["spots", "he", "table"]


def test_a_region_named_by_hand_has_a_table_only_if_one_annotates_it():
    several = of(IMAGE, CELLS, SPOTS, TABLE)
    assert plan_tiles(several, regions="cells").table is None
    assert plan_tiles(several, regions=["spots"]).table == "table"
    assert plan_tiles(several, regions="spots", table=False).table is None


def test_each_region_of_a_table_has_its_own_image_and_system():
    plan = plan_tiles(
        of(
            element("images", "left", "sample 1"),
            element("images", "right", "sample 2"),
            element("labels", "cells 1", "sample 1"),
            element("labels", "cells 2", "sample 2"),
            element("tables", "table", regions=("cells 1", "cells 2")),
        )
    )
    assert plan.images == {"cells 1": "left", "cells 2": "right"}
    assert plan.coordinate_systems == {"cells 1": "sample 1", "cells 2": "sample 2"}


def test_several_images_that_fit_are_named():
    two = of(IMAGE, element("images", "if", "global"), SPOTS, TABLE)
    with pytest.raises(UsageError, match=r"leaves a choice: give image=, one of 'he', 'if'"):
        plan_tiles(two)
    assert plan_tiles(two, image="if").images == {"spots": "if"}
    assert plan_tiles(two, image={"spots": "he"}).images == {"spots": "he"}


def test_a_coordinate_system_is_asked_for_where_none_is_called_global():
    image = element("images", "he", "hires", "lowres")
    spots = element("shapes", "spots", "hires", "lowres")
    with pytest.raises(UsageError, match="one of 'hires', 'lowres'"):
        plan_tiles(of(image, spots, TABLE))
    plan = plan_tiles(of(image, spots, TABLE), coordinate_system="hires")
    assert plan.coordinate_systems == {"spots": "hires"}


@pytest.mark.parametrize(
    ("elements", "options", "said"),
    [
        ((SPOTS, TABLE), {}, r"No image of a shares one with 'spots' \(global, hires\); the images have none"),
        ((element("images", "he", "other"), SPOTS, TABLE), {}, "the images have other"),
        ((IMAGE, SPOTS), {"coordinate_system": "globe"}, "shares the coordinate system 'globe'"),
        ((IMAGE,), {}, "a has no labels and no shapes"),
        ((IMAGE, SPOTS, CELLS), {}, "give regions=, one of 'cells', 'spots'"),
        ((IMAGE, SPOTS), {"regions": "spot"}, "none of the regions of a. Did you mean 'spots'"),
        ((IMAGE, SPOTS), {"image": "hee"}, "none of the images of a. Did you mean 'he'"),
        ((IMAGE, SPOTS, TABLE), {"table": "tabel"}, "Did you mean 'table'"),
        ((IMAGE, element("points", "spots", "global")), {"regions": "spots"}, "none of the regions"),
    ],
    ids=["no image", "no shared system", "system", "no region", "regions", "region", "image", "table", "points"],
)  # fmt: skip
def test_what_is_absent_or_unclear_is_said_with_the_choices(elements, options, said):
    with pytest.raises(UsageError, match=said):
        plan_tiles(of(*elements, default_table=None), **options)


def test_a_store_that_is_not_known_or_not_spatialdata_has_no_tiles():
    with pytest.raises(UsageError, match="never scanned"):
        plan_tiles(Record(id="a", title="A"))
    with pytest.raises(UsageError, match="no SpatialData store but ome-zarr"):
        plan_tiles(Record(id="a", title="A", facts=StoreFacts(kind="ome-zarr")))


class Unloadable:
    """An artifact that must not be loaded."""

    def __init__(self, its: Record):
        self.record = its

    def load(self, **_: object) -> None:
        raise AssertionError("it was loaded")


@pytest.mark.skipif("torch" in sys.modules, reason="torch is here")
def test_without_the_extra_nothing_is_loaded_and_its_name_is_said():
    with pytest.raises(PortalError, match=r"spatialdata-portal\[ml\]"):
        tiles_of(Unloadable(record()))


def test_of_many_all_are_planned_before_any_is_loaded():
    with pytest.raises(UsageError, match="b has no labels"):
        tiles_of_many([Unloadable(record()), Unloadable(of(IMAGE).model_copy(update={"id": "b"}))])
    with pytest.raises(UsageError, match="no artifact"):
        tiles_of_many([])


CUT = """
import json
from pathlib import Path
import anndata, geopandas, numpy, pandas, scipy.sparse, shapely, spatialdata
from spatialdata.models import Image2DModel, ShapesModel, TableModel
from portal.client.tiles import tiles, tiles_of_many
from portal.errors import PortalError
from portal.record import Record
from portal.scan import scan_store

def spots(n, x):
    points = [shapely.Point(x + 5 * i, 30) for i in range(n)]
    return ShapesModel.parse(geopandas.GeoDataFrame({"geometry": points, "radius": 3.0}, index=range(n)))

obs = pandas.DataFrame({
    "region": pandas.Categorical(["a"] * 3 + ["b"] * 4),
    "instance_id": [0, 1, 2, 0, 1, 2, 3],
    "group": pandas.Categorical(list("xyzxxyz")),
}, index=list("0123456"))
table = TableModel.parse(
    anndata.AnnData(numpy.ones((7, 2), "float32"), obs=obs),
    region=["a", "b"], region_key="region", instance_key="instance_id",
)
image = Image2DModel.parse(numpy.random.default_rng(0).random((3, 64, 64)), dims=("c", "y", "x"))
made = spatialdata.SpatialData(images={"im": image}, shapes={"a": spots(3, 10), "b": spots(4, 12)}, tables={"table": table})
import sys
store = Path(sys.argv[1]) / "two.zarr"
made.write(store)

class Artifact:
    def __init__(self, path):
        self.path = path
        self.record = Record(id=path.stem, title=path.stem, facts=scan_store(path), default_table="table")
    def load(self, elements):
        return spatialdata.read_zarr(self.path).subset(elements)

two = Artifact(store)
options = dict(tile_dim=8, rasterize=True, rasterize_kwargs={"target_width": 8}, return_annotations="group")
both = tiles(made, two.record, **options)
one = tiles(made, two.record, regions="b", **options)
nuclei = Artifact(Path("stores/ihc-nuclei.zarr"))
many = tiles_of_many([two, nuclei], **options)
try:
    tiles(spatialdata.read_zarr("stores/ihc-two-tables.zarr"), Artifact(Path("stores/ihc-two-tables.zarr")).record, regions="bins")
    refused = ""
except PortalError as e:
    refused = str(e)
read = {p.stem: len(list(spatialdata.read_zarr(p).gen_elements())) for p in sorted(Path("stores").glob("*.zarr"))}
print(json.dumps({
    "both": [len(both), type(both).__name__, [numpy.asarray(both[i][1]).item() for i in range(len(both))]],
    "one": [len(one), type(one).__name__, list(one[0][0].shape), one.provenance.parameters],
    "many": [len(many), [t.artifact for t in many.provenance.inputs], sorted(many.provenance.parameters)],
    "fingerprint": [two.record.facts.fingerprint, many.provenance.inputs[0].fingerprint],
    "packages": one.provenance.packages["torch"],
    "refused": refused,
    "read": read,
}))
"""


@pytest.fixture(scope="module")
def cut(tmp_path_factory, local_stores):
    folder = tmp_path_factory.mktemp("tiles")
    return json.loads(run_in_ml("-c", CUT, str(folder)).splitlines()[-1])


@pytest.mark.slow
def test_a_table_of_several_regions_gives_the_tiles_of_each_with_its_rows(cut):
    assert cut["both"] == [7, "ConcatDataset", list("xyzxxyz")]


@pytest.mark.slow
def test_one_region_gives_spatialdata_s_data_set_with_its_provenance(cut):
    n, name, shape, parameters = cut["one"]
    assert (n, name, shape) == (4, "ImageTilesDataset", [3, 8, 8])
    assert parameters["regions"] == ["b"]
    assert parameters["tile_dim_in_units"] == 8
    assert parameters["return_annotations"] == "group"
    assert cut["packages"].startswith("2.13.0")


@pytest.mark.slow
def test_tiles_of_many_artifacts_are_one_data_set_that_names_them_all(cut):
    n, artifacts, parameters = cut["many"]
    assert n == 7 + 298
    assert artifacts == ["two", "ihc-nuclei"]
    assert parameters == ["ihc-nuclei", "two"]
    assert cut["fingerprint"][0] == cut["fingerprint"][1]


@pytest.mark.slow
def test_labels_that_leave_no_background_are_refused_in_words(cut):
    assert "no tiles of 'bins' in 'ihc' of ihc-two-tables" in cut["refused"]
    assert "no background" in cut["refused"]


@pytest.mark.slow
def test_the_older_spatialdata_reads_every_store_of_the_default_collection(cut):
    assert cut["read"]["ihc-nuclei"] == 3
    assert all(cut["read"].values())
