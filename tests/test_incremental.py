"""A build that takes over from former ones is byte for byte a build from nothing."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.build import build_site
from portal.config import load_config
from portal.facts import StoreFacts
from portal.scan import scan_store
from portal.scans import Scan, write_scan
from tests.stores import sound

WORDS = ["brain", "lung", "Lungs", "kidney", "cerebellum", "no such thing", "unknown", "heart"]
ENTRY = """\
title: {title}
collections: [{collection}]
metadata:
  technology: {technology}
  tissue: {tissue}
  n_spots: {n}
versions: [{{version: "1", date: 2024-0{month}-01}}]
"""


class Curator:
    """Makes random changes to a portal, as people do."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.random, self.n = root, random.Random(seed), 0
        self.scans = dict(_scans(root.parent / f"{root.name} stores"))
        (root / "data_manifest").mkdir()
        (root / "site_config.yaml").write_text("title: Small\n")
        (root / "data_manifest/collections.yaml").write_text(
            "collections:\n  one: {name: One}\n  two: {name: Two}\n"
        )
        for _ in range(6):
            self.add()

    @property
    def entries(self) -> list[Path]:
        return sorted(self.root.glob("data_manifest/e*.yaml"))

    def text(self) -> str:
        choose = self.random.choice
        return ENTRY.format(
            title=choose(["A brain", "Brain (nan)", "Café <b>", "A section", "Healthy lung"]),
            collection=choose(["one", "two"]),
            technology=choose(["Visium", "Xenium", "CODEX"]),
            tissue=choose(WORDS),
            n=self.random.randrange(1, 9999),
            month=self.random.randrange(1, 9),
        )

    def add(self) -> str:
        self.n += 1
        (self.root / f"data_manifest/e{self.n}.yaml").write_text(self.text())
        return f"add e{self.n}"

    def edit(self) -> str:
        path = self.random.choice(self.entries)
        path.write_text(self.text())
        return f"edit {path.stem}"

    def rename(self) -> str:
        self.n += 1
        path = self.random.choice(self.entries)
        new = path.with_name(f"e{self.n}.yaml")
        path.rename(new)
        new.write_text(f"{new.read_text()}aliases: [{path.stem}]\n")
        return f"rename {path.stem}"

    def remove(self) -> str:
        path = self.random.choice(self.entries)
        path.unlink()
        return f"remove {path.stem}"

    def rescan(self) -> str:
        """A store elsewhere is scanned, for the first time or again."""
        path = self.random.choice(self.entries)
        address = f"https://data.example.org/{path.stem}.zarr"
        text = self.text().replace("collections", f"source: {address}\ncollections")
        path.write_text(text)
        name = self.random.choice([*self.scans])
        scan = Scan(address, "2026-05-01T10:00:00+00:00", 9, 999, self.scans[name])
        write_scan(self.root / "data_manifest", path.stem, scan)
        return f"scan {path.stem}: {name}"

    def lose_list(self) -> str:
        lists = sorted(self.root.glob("data_manifest/scans/lists/*"))
        if lists:
            self.random.choice(lists).unlink()
        return "lose a list"

    def derive(self) -> str:
        child, parent = self.random.sample(self.entries, 2)
        text = "".join(x for x in child.open() if not x.startswith("derived_from"))
        child.write_text(f"{text}derived_from: [{parent.stem}]\n")
        return f"derive {child.stem} from {parent.stem}"

    def vandalise(self) -> str:
        """Somebody edits the finished site by hand."""
        every = sorted((self.root / "site").rglob("*.*"))
        files = [p for p in every if p.is_file() and p.name != "build.json"]
        if not files:
            return "nothing to vandalise"
        path = self.random.choice(files)
        what = self.random.choice(["edit", "remove", "folder"])
        if what == "edit":
            path.write_text("edited by hand")
        else:
            path.unlink()
        if what == "folder":
            path.mkdir()
            (path / "x.html").write_text("mine")
        return f"{what} {path.name}"

    def break_one(self) -> str:
        path = self.random.choice(self.entries)
        path.write_text("titel: x\n")
        return f"break {path.stem}"

    def configure(self) -> str:
        config = self.random.choice(
            ["title: Small\n", "title: Other\n", "title: Small\nbase_url: https://example.org/p/\n"]
        )
        (self.root / "site_config.yaml").write_text(config)
        return "config"

    def reschema(self) -> str:
        label = self.random.choice(["Tissue", "Organ"])
        (self.root / "data_manifest/schema.yaml").write_text(
            f"extends: minimal\nfields: {{tissue: {{label: {label}, required: true}}}}\n"
        )
        return "schema"

    def retemplate(self) -> str:
        folder = self.root / "own"
        folder.mkdir(exist_ok=True)
        (folder / "moved.html").write_text(f"<p>Moved {self.random.random()}</p>\n")
        config = self.root / "site_config.yaml"
        if "templates" not in config.read_text():
            config.write_text(f"{config.read_text()}templates: own\n")
        return "templates"

    def change(self) -> str:
        kinds = [self.add, self.edit, self.edit, self.rename, self.remove, self.break_one]
        kinds += [self.configure, self.reschema, self.retemplate, self.rescan, self.rescan]
        kinds += [self.lose_list, self.derive, self.vandalise, self.vandalise]
        return self.random.choice(kinds)()


def _scans(folder: Path) -> Iterator[tuple[str, StoreFacts]]:
    """What scans find in a store without genes and in two that share a panel."""
    yield "small", scan_store(sound(folder / "small.zarr").root, name="s")
    for n_obs in (2, 3):
        maker = sound(folder / f"panel-{n_obs}.zarr")
        maker.table("genes", genes=[f"ENSG{i:011}" for i in range(300)], n_obs=n_obs)
        maker.consolidate()
        yield f"panel {n_obs}", scan_store(maker.root, name="s")


def built(root: Path, out: Path) -> dict[str, bytes]:
    build_site(load_config(root / "site_config.yaml"), out, offline=True)
    return {
        p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_after_any_changes_the_site_is_that_of_a_build_from_nothing(tmp_path, monkeypatch, seed):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    root = tmp_path / "portal"
    root.mkdir()
    curator = Curator(root, seed)
    done = []
    built(root, root / "site")
    for _ in range(3):
        done += [curator.change() for _ in range(curator.random.randrange(2, 6))]
        taken_over = built(root, root / "site")
        clean = tmp_path / "clean"
        shutil.copytree(root, clean, ignore=shutil.ignore_patterns(".portal", "site", ".site.*"))
        from_nothing = built(clean, clean / "site")
        shutil.rmtree(clean)
        assert taken_over.keys() == from_nothing.keys(), done
        assert [n for n in from_nothing if taken_over[n] != from_nothing[n]] == [], done


def test_only_what_changed_is_made_again_and_the_reason_is_told(tmp_path):
    curator = Curator(tmp_path, 3)
    config = load_config(tmp_path / "site_config.yaml")
    first = build_site(config, tmp_path / "site")
    assert set(first.explained.values()) == {"new"}
    assert build_site(config, tmp_path / "site").explained == {}
    path = curator.entries[2]
    path.write_text(path.read_text().replace("n_spots: ", "n_spots: 1"))
    third = build_site(config, tmp_path / "site").explained
    assert third[f"datasets/{path.stem}/"] == "changed: record"
    assert all("related" in why for a, why in third.items() if a != f"datasets/{path.stem}/")
    (tmp_path / "site_config.yaml").write_text("title: Another\n")
    config = load_config(tmp_path / "site_config.yaml")
    fourth = build_site(config, tmp_path / "site").explained
    assert set(fourth.values()) == {"changed: everything"}
    assert len(fourth) == 6


def test_a_damaged_cache_makes_no_wrong_page(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    Curator(tmp_path, 4)
    whole = built(tmp_path, tmp_path / "site")
    notes = tmp_path / ".portal/cache/notes.sqlite"
    data = bytearray(notes.read_bytes())
    chance = random.Random(5)
    for _ in range(200):
        data[chance.randrange(4096, len(data))] ^= 1 << chance.randrange(8)
    notes.write_bytes(data)
    assert built(tmp_path, tmp_path / "site") == whole
