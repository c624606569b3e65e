"""Long work says how far it is."""

import json
import logging
import re

import pytest

from support.images import write_image
from support.steps import Conversion
from uplift.running import progress


def lines(caplog):
    return [r.getMessage() for r in caplog.records if r.name == progress.__name__]


def test_nothing_is_said_at_once(caplog):
    caplog.set_level(logging.INFO)
    progress.Progress("%d so far").add(5)
    assert not lines(caplog)


def test_the_count_is_said_when_it_is_time(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    counting = progress.Progress("%d so far")
    counting.add(2)
    counting.add()
    assert lines(caplog) == ["2 so far", "3 so far"]


@pytest.mark.parametrize("method", ["repack", "recode"])
def test_a_single_shard_is_not_converted_in_silence(tmp_path, capfd, monkeypatch, method):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    write_image(tmp_path / "in.zarr", labels=False)
    settings = {"shards": dict.fromkeys("zyx", 512)}
    if method == "recode":
        settings["codec"] = "zstd"
    where = str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr")
    Conversion(*where, tmp_path / "w", plan_settings=json.dumps(settings)).all()
    (item, *_) = json.loads(next((tmp_path / "w/records").glob("*.json")).read_text())["items"]
    assert item["objects_written"] < 10 < item["chunks_read"]
    assert re.findall(r"\d+ MiB of chunks read", capfd.readouterr().err)


def test_inspect_and_validate_tell(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    write_image(tmp_path / "in.zarr")
    Conversion(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "w").all()
    said = capfd.readouterr().err
    assert "MiB of chunks read" in said
    assert "0: 289 objects listed" in said  # the document among them
