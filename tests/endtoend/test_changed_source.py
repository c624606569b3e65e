"""A source that changes under way is noticed and named; old and new are never mixed."""

import shutil
from pathlib import Path

import pytest

from support.converted import Case, Converted
from support.images import write_image
from support.steps import Conversion, StepError
from support.workflow import contents, snakemake
from uplift.errors import SourceError
from uplift.storage.local import LocalStore
from uplift.work.journal import Journal


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
    open_object = LocalStore.open_object

    def changing(store, wanted):
        if str(wanted.key if hasattr(wanted, "key") else wanted) == "0/0/2/2/2":
            path = Path(store.root, "0/0/2/2/2")
            path.write_bytes(path.read_bytes()[::-1])
        return open_object(store, wanted)

    monkeypatch.setattr(LocalStore, "open_object", changing)
    with pytest.raises(StepError, match="convert"):
        conversion.convert()
    assert "0/0/2/2/2: changed since it was listed" in capfd.readouterr().err


@pytest.mark.parametrize("batch_mib", [1, 64])
@pytest.mark.parametrize("change", ["grows", "is written again"])
@pytest.mark.parametrize("method", ["keep", "zstd"])
def test_a_chunk_of_a_large_array_that_changes_after_the_listing(
    tmp_path, monkeypatch, capfd, method, change, batch_mib
):
    """An array whose chunks are too many to compare each with its listing; of several batches."""
    for module in ("convert.portion", "batches.surveys"):
        monkeypatch.setattr(f"uplift.{module}.MOST_LISTED", 4)
    write_image(tmp_path / "in.zarr", size=512, chunk=128, depth=3)
    conversion = Conversion(
        str(tmp_path / "in.zarr"),
        str(tmp_path / "out.zarr"),
        tmp_path / "work",
        plan_settings=f'{{"shards": {{"z": 1, "y": 512, "x": 512}}, "codec": "{method}"}}',
        batch_settings=f'{{"batch_mib": {batch_mib}}}',
        threads=1,
    )
    prepared(conversion)
    open_object, changed = LocalStore.open_object, []

    def changing(store, wanted):
        if wanted == "0/1/2/1/1" and not changed:
            changed.append(Path(store.root, wanted))
            with changed[0].open("ab" if change == "grows" else "r+b") as stream:
                stream.write(changed[0].read_bytes()[:4])
        return open_object(store, wanted)

    monkeypatch.setattr(LocalStore, "open_object", changing)
    if batch_mib > 1:
        with pytest.raises(StepError):
            conversion.convert()
        assert "0: chunks changed after the source was inspected" in capfd.readouterr().err
        return
    conversion.convert()
    assert changed
    assert len([name for name in conversion.batches() if name.startswith("0.")]) > 1
    conversion.migrate()
    conversion.write_crate()
    found = [f for f in conversion.validate()["findings"] if f["severity"] == "error"]
    assert [(f["code"], f["path"]) for f in found] == [("source.changed", "0")]
    assert "-R inspect_source" in found[0]["message"]


def test_chunks_that_a_batch_reads_twice_did_not_change(tmp_path):
    """The first batch compares each read with its listing, the second one counts its reads."""
    write_image(tmp_path / "in.zarr", size=512, chunk=512, depth=8)
    half = '{"z": 1, "y": 256, "x": 512}'
    conversion = Conversion(
        str(tmp_path / "in.zarr"),
        str(tmp_path / "out.zarr"),
        tmp_path / "work",
        plan_settings=f'{{"chunks": {half}, "shards": {half}}}',
        batch_settings='{"batch_mib": 4}',
        threads=1,
    )
    prepared(conversion)
    conversion.convert()
    assert len([name for name in conversion.batches() if name.startswith("labels-nuclei-0.")]) == 2
    conversion.migrate()
    conversion.write_crate()
    assert conversion.validate()["verdict"] == "valid"


@pytest.mark.parametrize(
    ("change", "message"),
    [("rewritten", "a/0: chunks changed since"), ("removed", "a/0/1.1: .*is absent now")],
)
def test_a_small_dense_array_is_compared_as_it_is_read(tmp_path, monkeypatch, change, message):
    """It is not listed; and nothing says that what was read is done."""
    array = Converted(tmp_path, Case(shards=(60, 64)))
    seen = array._seen(array.item)
    monkeypatch.setattr(array, "_seen", lambda _: seen)
    chunk = array.source_folder / "1.1"
    {"rewritten": lambda: chunk.write_bytes(chunk.read_bytes()), "removed": chunk.unlink}[change]()
    with pytest.raises(SourceError, match=f"{message}.*-R inspect_source"):
        array.convert()
    assert Journal(array.journal).done == []


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


def published(conversion):
    conversion.all()
    return conversion


def inspected(conversion, source):
    conversion.source = str(source)
    conversion.inspect()
    conversion.path("plan.json").unlink()
    conversion.plan()


def finished(conversion):
    for step in (conversion.claim, conversion.convert, conversion.migrate, conversion.write_crate):
        step()
    assert conversion.validate()["verdict"] == "valid"
    conversion.publish()


@pytest.mark.parametrize("is_of_an_earlier_version", [False, True])
def test_another_source_is_refused_before_anything_is_hidden(
    conversion, tmp_path, capfd, is_of_an_earlier_version
):
    output = Path(published(conversion).output)
    if is_of_an_earlier_version:
        conversion.path("made_from.json").unlink()
    before = contents(output)
    inspected(conversion, write_image(tmp_path / "other.zarr", size=32, labels=False, seed=1))
    with pytest.raises(StepError, match="claim"):
        conversion.claim()
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x.startswith("error: ")]
    assert f"out.zarr: holds the dataset made from {tmp_path}/in.zarr; with overwrite: true" in line
    assert f"made from {tmp_path}/other.zarr; or name another output" in line
    assert contents(output) == before
    inspected(conversion, tmp_path / "in.zarr")
    finished(conversion)


def test_another_source_with_overwrite_leaves_nothing_of_the_old_one(conversion, tmp_path):
    output = Path(published(conversion).output)
    assert (output / "labels").is_dir()
    conversion.overwrite = "true"
    inspected(conversion, write_image(tmp_path / "other.zarr", size=32, labels=False, seed=1))
    conversion.claim()
    assert [path.name for path in output.iterdir()] == [".ngff-uplift.lock"]
    conversion.convert()
    shards = {key for key in contents(output) if "/c/" in key}
    conversion.claim()
    assert {key for key in contents(output) if "/c/" in key} == shards, "emptied once"
    finished(conversion)
    assert not (output / "labels").exists()


def test_what_was_begun_from_another_source_is_refused(conversion, tmp_path, capfd):
    prepared(conversion)
    conversion.convert()
    inspected(conversion, write_image(tmp_path / "other.zarr", size=32, labels=False, seed=1))
    with pytest.raises(StepError, match="claim"):
        conversion.claim()
    assert "with overwrite: true" in capfd.readouterr().err


def test_a_source_that_was_moved_is_the_same(conversion, tmp_path):
    output = Path(published(conversion).output)
    shards = {p: p.stat().st_ino for p in output.rglob("*") if "c" in p.parts and p.is_file()}
    (tmp_path / "in.zarr").rename(tmp_path / "moved.zarr")
    inspected(conversion, tmp_path / "moved.zarr")
    finished(conversion)
    assert shards
    assert {path: path.stat().st_ino for path in shards} == shards


@pytest.mark.parametrize("is_published", [True, False])
def test_what_the_source_has_no_more_goes_from_the_output(conversion, tmp_path, is_published):
    """And nothing that others put there, which stays a finding."""
    source, output = tmp_path / "in.zarr", Path(conversion.output)
    (source / "notes.txt").write_text("a")
    (source / "labels" / "notes.txt").write_text("b")
    prepared(conversion)
    conversion.convert()
    if is_published:
        conversion.migrate()
        conversion.write_crate()
        conversion.validate()
        conversion.publish()
    assert (output / "labels" / "nuclei").is_dir()
    shutil.rmtree(source / "labels")
    (source / "notes.txt").unlink()
    foreign = output / "labels" / "mine" / "zarr.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("{}")
    inspected(conversion, source)
    conversion.convert()
    conversion.migrate()
    conversion.write_crate()
    (error,) = [x for x in conversion.validate()["findings"] if x["severity"] == "error"]
    assert (error["code"], error["path"]) == ("output.stray", "labels/mine/zarr.json")
    assert error["message"].endswith("; move it elsewhere")
    foreign.unlink()
    finished(conversion)
    assert not [key for key in contents(output) if "labels" in key or "notes" in key]


def test_the_sheet_names_another_source(tmp_path):
    write_image(tmp_path / "in.zarr", size=48)
    write_image(tmp_path / "other.zarr", size=32, labels=False, seed=1)
    common = ["dataset=d", "output=out.zarr", "license=CC0-1.0", "previews=false"]
    run = snakemake(tmp_path, "--config", "input=in.zarr", *common)
    assert run.code == 0, run.text
    before = contents(tmp_path / "out.zarr")
    for more in ([], ["-F"]):
        run = snakemake(tmp_path, *more, "--config", "input=other.zarr", *common)
        assert run.code == 1
        (line,) = run.errors
        assert "holds the dataset made from in.zarr; with overwrite: true" in line
        assert contents(tmp_path / "out.zarr") == before
    run = snakemake(tmp_path, "--config", "input=other.zarr", *common, "overwrite=true")
    assert run.code == 0, run.text
    assert not (tmp_path / "out.zarr" / "labels").exists()
    run = snakemake(tmp_path, "--config", "input=other.zarr", *common)
    assert "Nothing to be done" in run.text


def test_a_row_that_names_the_output_of_another_dataset_is_refused(tmp_path):
    """Their metadata are the same, and so are their root documents."""
    for name, seed in (("one", 0), ("two", 3)):
        write_image(tmp_path / f"{name}.zarr", size=48, labels=False, seed=seed)
    common = ["license=CC0-1.0", "previews=false"]
    for name in ("one", "two"):
        run = snakemake(
            tmp_path, "--config", f"input={name}.zarr", f"output={name}-05.zarr", *common
        )
        assert run.code == 0, run.text
    roots = [(tmp_path / f"{name}-05.zarr" / "zarr.json").read_bytes() for name in ("one", "two")]
    assert roots[0] == roots[1]
    before = contents(tmp_path / "one-05.zarr")
    run = snakemake(tmp_path, "--config", "input=two.zarr", "output=one-05.zarr", *common)
    assert run.code == 1
    assert "exists and was not started by this run" in run.errors[0]
    assert contents(tmp_path / "one-05.zarr") == before
    for name in ("one", "two"):
        assert (tmp_path / f"{name}-05.zarr" / "zarr.json").is_file()


def test_an_earlier_output_of_the_same_dataset_is_taken_up_again(tmp_path):
    write_image(tmp_path / "in.zarr", size=48, labels=False)
    common = ["input=in.zarr", "license=CC0-1.0", "previews=false"]
    for output in ("one.zarr", "two.zarr", "one.zarr"):
        run = snakemake(tmp_path, "--config", f"output={output}", *common)
        assert run.code == 0, run.text
    for output in ("one.zarr", "two.zarr"):
        assert (tmp_path / output / "zarr.json").is_file()
