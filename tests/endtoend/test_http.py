"""Sources behind plain HTTP, where nothing can be listed: what has a name is found."""

import json
from pathlib import Path

import pytest

from servers.web import WebServer
from support.images import write_image, write_json, write_plate_of_one_well
from support.steps import Conversion, StepError
from uplift.errors import StorageError, UpliftError
from uplift.inspect_source.walk import inspect_source
from uplift.storage import open_store

ENGINES = ("obstore", "fsspec")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "web").mkdir()
    return tmp_path / "web"


def write_plate(root):
    """Write the plate without what nothing names."""
    write_plate_of_one_well(root)
    unseen(root)


def write_series(root, listed=False):
    """Write what bioformats2raw makes of a file with two pictures, with or without its list."""
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"bioformats2raw.layout": 3})
    for number in range(2):
        write_image(root / str(number), size=32, labels=False, seed=number)
    if listed:
        write_json(root / "OME" / ".zgroup", {"zarr_format": 2})
        write_json(root / "OME" / ".zattrs", {"series": ["0", "1"]})
    (root / "OME").mkdir(exist_ok=True)
    (root / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    unseen(root)


def write_listed_series(root):
    write_series(root, listed=True)


def write_consolidated(root):
    """Write images in groups that no OME metadata name: consolidated metadata do."""
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / "days" / ".zgroup", {"zarr_format": 2})
    for day in ("monday", "tuesday"):
        write_image(root / "days" / day, size=32, labels=False)
    unseen(root)
    documents = {
        str(path.relative_to(root)): json.loads(path.read_bytes()) for path in root.rglob(".z*")
    }
    write_json(root / ".zmetadata", {"zarr_consolidated_format": 1, "metadata": documents})


def write_one(root):
    write_image(root, size=64)
    unseen(root)


def unseen(root: Path) -> None:
    """Take away what nothing names."""
    for path in root.rglob("notes.txt"):
        path.unlink()


WRITERS = (write_one, write_plate, write_series, write_listed_series, write_consolidated)


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "ro-crate-metadata.json"  # it names the source
    }


@pytest.mark.parametrize("write", WRITERS)
def test_becomes_what_the_folder_becomes(tmp_path, folder, write):
    write(folder / "in.zarr")
    plain = Conversion(str(folder / "in.zarr"), str(tmp_path / "plain.zarr"), tmp_path / "plain")
    assert plain.all()["verdict"] == "valid"
    with WebServer(folder) as web:
        run = Conversion(f"{web.url}/in.zarr", str(tmp_path / "out.zarr"), tmp_path / "work")
        assert run.all()["verdict"] == "valid"
    assert tree(tmp_path / "out.zarr") == tree(tmp_path / "plain.zarr")


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines(tmp_path, folder, engine):
    write_one(folder / "in put.zarr")
    with WebServer(folder) as web:
        run = Conversion(f"{web.url}/in%20put.zarr", str(tmp_path / "out.zarr"), tmp_path / "work")
        run.storage = json.dumps({web.url: {"engine": engine}})
        verdict = run.all()
    assert verdict["verdict"] == "valid"
    assert {f["code"] for f in verdict["findings"]} >= {"source.unlisted"}


def test_says_that_stray_files_are_not_seen(folder):
    write_image(folder / "in.zarr", size=32)  # with a file that nothing names
    with WebServer(folder) as web:
        found = inspect_source(open_store(f"{web.url}/in.zarr"))
    assert "source.not_listable" in {finding.code for finding in found.findings}
    assert "notes.txt" not in {file.path for file in found.files}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_page_instead_of_data(folder, engine):
    with WebServer(folder, page=True) as web:
        url = f"{web.url}/in.zarr"
        with pytest.raises(UpliftError, match="web page") as caught:
            inspect_source(open_store(url, {url: {"engine": engine}}))
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("status", [401, 403, 500, 410])
def test_a_failed_probe_is_no_absence(folder, engine, status):
    write_one(folder / "in.zarr")
    with WebServer(folder) as web:
        store = open_store(f"{web.url}/in.zarr", {web.url: {"engine": engine, "retries": 1}})
        for read in (store.get, store.stat, lambda key: store.get_range(key, 0, 5)):
            web.failures["/in.zarr/0/0/0/0/0"] = status
            # A server error may pass by itself, and then does; nothing else is taken for absence.
            try:
                assert read("0/0/0/0/0") is not None
            except StorageError as error:
                assert f"{web.url}/in.zarr" in str(error)
                assert status != 500


def test_a_chunk_that_vanishes_fails_the_conversion(tmp_path, folder):
    write_one(folder / "in.zarr")
    with WebServer(folder) as web:
        run = Conversion(f"{web.url}/in.zarr", str(tmp_path / "out.zarr"), tmp_path / "work")
        for step in (run.inspect, run.plan, run.claim):
            step()
        (folder / "in.zarr/0/0/0/0/0").unlink()
        with pytest.raises(StepError):
            run.convert()
            run.migrate()
            run.write_crate()
            run.validate()
            run.publish()
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()
