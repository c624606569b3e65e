"""Every step that writes: only what this run holds, and never below a visible root document."""

import json
import re
import shutil

import pytest

from support.images import write_image
from support.steps import Conversion, StepError
from uplift.archive import ozx
from uplift.storage.local import LocalStore

LOCK = ".ngff-uplift.lock"


@pytest.fixture
def published(tmp_path):
    source = write_image(tmp_path / "in.zarr", size=32, chunk=16)
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    assert conversion.all()["verdict"] == "valid"
    return conversion


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def lose_shards(conversion):
    shutil.rmtree(conversion.path("journal"))
    shutil.rmtree(conversion.path("records"))
    shutil.rmtree(f"{conversion.output}/0/c")


def edit_label(conversion):
    place = conversion.path("..", "in.zarr", "labels", "nuclei", ".zattrs")
    attributes = json.loads(place.read_text())
    attributes["image-label"]["colors"] = [{"label-value": 1, "rgba": [1, 2, 3, 4]}]
    place.write_text(json.dumps(attributes))
    for step in (conversion.inspect, conversion.plan):
        step()


def edit_license(conversion):
    conversion.about = conversion.about.replace("CC-BY-4.0", "CC0-1.0")


def edit_manifest(conversion):
    conversion.manifest = True
    conversion.validate()


CHANGES = {
    "convert": lose_shards,
    "migrate": edit_label,
    "write_crate": edit_license,
    "publish": edit_manifest,
}


@pytest.mark.parametrize("step", ["claim", *CHANGES])
def test_what_another_run_holds_is_refused(published, tmp_path, capsys, step):
    CHANGES.get(step, lambda _: None)(published)
    output = tmp_path / "out.zarr"
    theirs = Conversion(published.source, published.output, tmp_path / "theirs", overwrite="true")
    for earlier in (theirs.inspect, theirs.plan, theirs.claim, theirs.convert):
        earlier()
    before = contents(output)
    with pytest.raises(StepError):
        getattr(published, step)()
    assert "another run of" in capsys.readouterr().err
    assert contents(output) == before


@pytest.mark.parametrize("step", CHANGES)
def test_a_published_dataset_is_hidden_before_the_first_write(published, monkeypatch, step):
    CHANGES[step](published)
    written, path_to_write = [], LocalStore._path_to_write

    def watched(store, key):
        if store.url == published.output and key not in (LOCK, "zarr.json"):
            lock = json.loads(store.get(LOCK) or b"{}")
            written.append((store.get("zarr.json"), lock.get("run_id")))
        return path_to_write(store, key)

    monkeypatch.setattr(LocalStore, "_path_to_write", watched)
    getattr(published, step)()
    monkeypatch.undo()
    run = json.loads(published.path("run.json").read_text())
    assert set(written) == {(None, run["run_id"])}


@pytest.mark.parametrize("step", CHANGES)
def test_a_step_that_has_nothing_to_write_hides_nothing(published, tmp_path, step):
    before = contents(tmp_path / "out.zarr")
    getattr(published, step)()
    assert contents(tmp_path / "out.zarr") == before


def test_an_edited_label_is_published_again(published, tmp_path):
    edit_label(published)
    published.migrate()
    label = tmp_path / "out.zarr" / "labels" / "nuclei" / "zarr.json"
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()
    assert (tmp_path / "out.zarr" / LOCK).exists()
    published.write_crate()
    assert published.validate()["verdict"] == "valid"
    published.publish()
    assert (tmp_path / "out.zarr" / "zarr.json").exists()
    assert not (tmp_path / "out.zarr" / LOCK).exists()
    ome = json.loads(label.read_text())["attributes"]["ome"]
    assert ome["image-label"]["colors"] == [{"label-value": 1, "rgba": [1, 2, 3, 4]}]
    assert json.loads(published.path("published.json").read_text())["generation"]


def test_archive_reads_a_published_dataset_and_writes_its_own_file_alone(published, tmp_path):
    before = contents(tmp_path / "out.zarr")
    folder = {path.name for path in tmp_path.iterdir()}
    published.archive()
    assert contents(tmp_path / "out.zarr") == before
    assert {path.name for path in tmp_path.iterdir()} == folder | {"out.ozx"}


def test_archive_refuses_what_is_hidden(published, tmp_path, capsys):
    published.claim()
    with pytest.raises(StepError):
        published.archive()
    assert "not published" in capsys.readouterr().err
    assert not (tmp_path / "out.ozx").exists()


def test_what_is_hidden_while_it_is_packed_gets_no_archive(
    published, tmp_path, monkeypatch, capsys
):
    in_order = ozx.in_order

    def hide(objects):
        entries = in_order(objects)
        (tmp_path / "out.zarr" / "zarr.json").write_text("{}")
        return [entry for entry in entries if entry.key != "zarr.json"]

    monkeypatch.setattr(ozx, "in_order", hide)
    with pytest.raises(StepError):
        published.archive()
    assert re.search("another run has started to write there", capsys.readouterr().err)
    assert not (tmp_path / "out.ozx").exists()
