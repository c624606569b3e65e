"""A source that changes under way is noticed and named; old and new are never mixed."""

from pathlib import Path

import pytest

from support.images import write_image
from support.steps import Conversion, StepError
from uplift.storage.local import LocalStore


@pytest.fixture
def conversion(tmp_path):
    source = write_image(tmp_path / "in.zarr", size=48)
    return Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")


def prepared(conversion):
    for step in (conversion.inspect, conversion.plan, conversion.claim):
        step()


def changes(root):
    chunk = root / "0" / "0" / "0" / "0" / "0"
    return {
        "rewritten": lambda: chunk.write_bytes((root / "0" / "0" / "0" / "0" / "1").read_bytes()),
        "removed": chunk.unlink,
        "added": lambda: (root / "0" / "0" / "3" / "0" / "0").write_bytes(chunk.read_bytes()),
    }


@pytest.mark.parametrize("change", ["rewritten", "removed", "added"])
def test_chunks_that_change_after_inspect_stop_the_conversion(conversion, tmp_path, change, capfd):
    prepared(conversion)
    changes(tmp_path / "in.zarr")[change]()
    with pytest.raises(StepError, match="convert"):
        conversion.convert()
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x.startswith("error: ")]
    assert "in.zarr/0: chunks changed since the source was inspected" in line
    assert "-R inspect_source" in line
    conversion.inspect()
    conversion.plan()
    conversion.convert()
    conversion.migrate()
    conversion.write_crate()
    assert conversion.validate()["verdict"] == "valid"


def test_a_chunk_that_changes_while_an_array_is_converted_stops_it(conversion, monkeypatch, capfd):
    """Between the listing and the read: of arrays that are cut into portions, too."""
    monkeypatch.setattr("uplift.batches.portions.PORTION_BYTES", 48 * 48)
    prepared(conversion)
    read_into = LocalStore.read_into

    def changing(store, wanted, *others, **options):
        if str(wanted.key if hasattr(wanted, "key") else wanted) == "0/0/2/2/2":
            path = Path(store.root, "0/0/2/2/2")
            path.write_bytes(path.read_bytes()[::-1])
        return read_into(store, wanted, *others, **options)

    monkeypatch.setattr(LocalStore, "read_into", changing)
    with pytest.raises(StepError, match="convert"):
        conversion.convert()
    assert "0/0/2/2/2: changed since it was listed" in capfd.readouterr().err


def test_attributes_that_change_after_inspect_are_named(conversion, tmp_path, capfd):
    prepared(conversion)
    conversion.convert()
    attributes = tmp_path / "in.zarr" / "labels" / "nuclei" / ".zattrs"
    attributes.write_text(attributes.read_text().replace("cells", "other"))
    with pytest.raises(StepError, match="migrate"):
        conversion.migrate()
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x.startswith("error: ")]
    assert "labels/nuclei" in line
    assert "-R inspect_source" in line
