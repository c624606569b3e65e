"""What was validated is validated again when its objects, the mode or a result changed."""

import os
import shutil

import pytest

from support import s3
from support.images import write_image
from support.steps import Conversion, StepError
from uplift.batches import work
from uplift.work import json_files


def conversion(folder):
    return Conversion(
        str(folder / "in.zarr"),
        str(folder / "out.zarr"),
        folder / "work",
        plan_settings='{"shards": {"z": 1, "y": 512, "x": 512}}',
        batch_settings='{"batch_mib": 1}',
    )


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A validated dataset in batches: array 0 in several, all others in one."""
    folder = tmp_path_factory.mktemp("compared")
    write_image(folder / "in.zarr", size=512, chunk=128, depth=3)
    made = conversion(folder)
    made.before_validation()
    assert made.validate()["verdict"] == "valid"
    return folder


@pytest.fixture
def case(compared, tmp_path):
    """A copy, times and all."""
    for name in ("in.zarr", "out.zarr", "work"):
        shutil.copytree(compared / name, tmp_path / name)
    for file in (tmp_path / "work").rglob("*.json"):
        file.write_text(file.read_text().replace(str(compared), str(tmp_path)))
    return conversion(tmp_path)


@pytest.fixture
def read_again(monkeypatch):
    """Arrays that were compared since this was asked for."""
    seen = set()
    check = work.check_portion

    def noted(item, *others, **settings):
        seen.add(item.path)
        return check(item, *others, **settings)

    monkeypatch.setattr(work, "check_portion", noted)
    return seen


def shard(case):
    return min(p for p in (case.work.parent / "out.zarr/0/c/0/0").rglob("*") if p.is_file())


def test_nothing_changed_nothing_is_read(case, read_again):
    assert len(case.batches()) > 4
    verdict = case.path("validation.json").read_bytes()
    old = {path: path.stat().st_mtime_ns for path in case.path("records").iterdir()}
    assert case.validate()["verdict"] == "valid"
    assert read_again == set()
    assert case.path("validation.json").read_bytes() == verdict
    assert {path: path.stat().st_mtime_ns for path in old} == old


def written_again(case):
    path = shard(case)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def damaged(case):
    path = shard(case)
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)


def gone(case):
    shard(case).unlink()


def result_gone(case):
    next(case.path("records").glob("0.*.digests")).unlink()


@pytest.mark.parametrize(
    ("change", "verdict"),
    [(written_again, "valid"), (damaged, "invalid"), (gone, "invalid"), (result_gone, "valid")],
)
def test_a_change_is_noticed_in_its_batch_alone(case, read_again, change, verdict):
    change(case)
    assert case.validate()["verdict"] == verdict
    assert read_again == {"0"}
    read_again.clear()
    assert case.validate()["verdict"] == verdict
    assert bool(read_again) == (verdict == "invalid"), "errors are looked at each time"


@pytest.mark.parametrize("function", ["write_lines", "write_bytes"])
def test_a_validation_that_is_killed_is_done_again(case, read_again, monkeypatch, function):
    """Between its record and its digests, too: what it found must not be lost."""
    case.again = True
    with monkeypatch.context() as patch:
        patch.setattr(json_files, function, killed)
        with pytest.raises(StepError, match="130"):
            case.validate()
    assert list(case.path("records").glob("*.digests")) == []
    read_again.clear()
    case.again = False
    assert case.validate()["verdict"] == "valid"
    assert {"0", "1"} <= read_again


def killed(*_):
    raise KeyboardInterrupt


def test_another_mode_reads_all_again_once(case, read_again):
    case.verify = "reread"
    assert case.validate()["verify"] == "reread"
    assert {"0", "1"} <= read_again
    read_again.clear()
    case.validate()
    case.verify = "once"
    assert case.validate()["verdict"] == "valid"
    assert read_again == set(), "what was read twice need not be read once more"


def test_objects_of_a_bucket(tmp_path, s3_server, s3_environment, read_again):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    s3.upload(client, write_image(tmp_path / "in.zarr", size=32, chunk=16), bucket, "in.zarr")
    made = Conversion(f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr", tmp_path / "work")
    made.before_validation()
    read_again.clear()
    assert made.validate()["verdict"] == "valid"
    assert read_again == set()
    key = next(key for key in s3.objects(client, bucket, "out.zarr") if key.startswith("0/c/"))
    client.put_object(Bucket=bucket, Key=f"out.zarr/{key}", Body=b"x" * 700)
    assert made.validate()["verdict"] == "invalid"
    assert "0" in read_again
