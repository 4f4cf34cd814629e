"""Training on tiles of the default collection: the example really runs, in `.venv-ml`."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from portal.build import build_site
from portal.config import load_config
from portal.lineage import read_lineage
from tests.mlkit import ROOT, run_in_ml

LOADED = """
import json, sys
import torch
sys.path.insert(0, "examples")
from train_tiles import network
made = torch.load(sys.argv[1], weights_only=True)
model = network(len(made["classes"]))
model.load_state_dict(made["weights"])
print(json.dumps([made["classes"], list(model(torch.zeros(2, 3, 32, 32)).shape)]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, local_stores) -> Path:
    """A site with the nuclei of the default collection and nothing else."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "site_config.yaml").write_text(
        "title: Small\nviewer: {mode: none}\ndata: {publish: copy}\n"
    )
    (folder / "data_manifest").mkdir()
    shutil.copytree(local_stores / "ihc-nuclei.zarr", folder / "ihc-nuclei.zarr")
    entry = "title: Nuclei\nsource: ../ihc-nuclei.zarr\nversions: [{version: '1'}]\n"
    (folder / "data_manifest" / "ihc-nuclei.yaml").write_text(entry)
    report = build_site(load_config(folder / "site_config.yaml"), folder / "site")
    assert [p for p in report.problems if p.severity == "error"] == []
    return folder / "site"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, site) -> tuple[Path, dict[str, float]]:
    """The folder with what was trained, and the figures that the example printed."""
    out = tmp_path_factory.mktemp("trained")
    said = run_in_ml(
        "examples/train_tiles.py", str(site), "--out", str(out), SOURCE_DATE_EPOCH="1700000000"
    )
    return out, json.loads(said.splitlines()[-1])


@pytest.mark.slow
def test_the_loss_goes_down_and_unseen_tiles_are_told_apart(trained):
    _, figures = trained
    assert figures["loss_last"] < 0.7 * figures["loss_first"]
    assert figures["tiles_learned"] > 100
    assert figures["tiles_tested"] > 50
    assert figures["accuracy"] > figures["accuracy_of_the_commonest"] + 0.05


@pytest.mark.slow
def test_the_checkpoint_loads(trained):
    out, _ = trained
    classes, shape = json.loads(run_in_ml("-c", LOADED, str(out / "classifier.pt")))
    assert classes == ["DAB high", "DAB low", "DAB middle"]
    assert shape == [2, 3]


@pytest.mark.slow
def test_the_checkpoint_says_what_it_was_made_from(trained, site):
    out, figures = trained
    (made,) = read_lineage(out)
    content = (out / "classifier.pt").read_bytes()
    assert made.output.sha256 == hashlib.sha256(content).hexdigest()
    assert made.output.is_model
    record = json.loads((site / "datasets/ihc-nuclei/artifact.json").read_bytes())
    (nuclei,) = made.inputs
    assert (nuclei.artifact, nuclei.version) == ("ihc-nuclei", "1")
    assert nuclei.fingerprint == record["facts"]["fingerprint"]
    assert made.parameters["seed"] == 0
    assert made.parameters["tiles.regions"] == "nuclei"
    assert made.parameters["tiles.images"] == "ihc"
    assert made.parameters["tiles.table"] == "table"
    assert made.parameters["result.accuracy"] == figures["accuracy"]
    script = (ROOT / "examples" / "train_tiles.py").read_bytes()
    assert made.code is not None
    assert made.code.name == "examples/train_tiles.py"
    assert made.code.sha256 == hashlib.sha256(script).hexdigest()
    assert made.environment is not None
    assert made.environment.python.startswith("CPython 3.11.")
    assert made.environment.packages["torch"].startswith("2.13.0")
    assert made.environment.packages["spatialdata"] == "0.7.3"
    assert made.ended is not None
    assert made.ended.isoformat() == "2023-11-14T22:13:20+00:00"
    assert str(site.parent) not in (out / "ro-crate-metadata.json").read_text()
