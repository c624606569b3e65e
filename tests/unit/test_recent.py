"""Sources that something may still be writing to."""

import os
import shutil
import threading
import time

import pytest

from support.images import write_image
from support.steps import Conversion, StepError
from uplift.errors import SourceError
from uplift.inspect_source import recent
from uplift.inspect_source.recent import Newest, recent_change
from uplift.inspect_source.walk import inspect_source
from uplift.storage import open_store
from uplift.storage.protocol import ObjectInfo


@pytest.fixture
def source(tmp_path):
    return write_image(tmp_path / "in.zarr", size=32, chunk=32)


def test_what_changed_minutes_ago_is_named():
    newest = Newest()
    assert recent_change("in.zarr", newest, 1000.0) is None
    newest.add(ObjectInfo("0/.zarray", 1, "", 100.0), ObjectInfo("0/0", 1, "", 940.0))
    newest.add(ObjectInfo("0/1", 1, "", 500.0))
    text = recent_change("in.zarr", newest, 1000.0)
    assert text.startswith("in.zarr/0/0: changed 60 s ago: is something still writing there?")
    assert recent_change("in.zarr", newest, 940.0 + recent.RECENT_S + 1) is None
    assert "changed 0 s ago" in recent_change("in.zarr", newest, 900.0), "clocks differ"
    unknown = Newest()
    unknown.add(ObjectInfo("0/0", 1, ""))
    assert recent_change("in.zarr", unknown, time.time()) is None


def test_what_another_thread_adds_meanwhile_is_not_forgotten():
    newest, begun = Newest(), []
    newer = threading.Thread(target=newest.add, args=(ObjectInfo("0/2", 1, "", 940.0),))

    class First:
        @property
        def changed(self):
            if begun == ["compared"]:
                begun.append("added")
                newer.start()
                newer.join(0.2)
            return 100.0

    newest.add(First())
    begun.append("compared")
    newest.add(ObjectInfo("0/1", 1, "", 500.0))
    newer.join()
    assert newest.object.key == "0/2"


def test_a_copy_that_keeps_the_times_of_the_content_is_seen(source, tmp_path, caplog):
    long_ago = time.time() - 10**6
    for path in source.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    shutil.copytree(source, tmp_path / "copy.zarr")
    inspect_source(open_store(str(tmp_path / "copy.zarr")))
    (said,) = [one.getMessage() for one in caplog.records if recent.MARK in one.getMessage()]
    assert said.startswith(f"{tmp_path}/copy.zarr/")


def test_it_is_a_warning_or_a_refusal_and_never_in_the_inventory(source, monkeypatch, tmp_path):
    store = open_store(str(source))
    found = inspect_source(store)
    with pytest.raises(SourceError, match=r"changed \d+ s ago: .*on_recent_change: warn"):
        inspect_source(store, on_recent="fail")
    monkeypatch.setattr(recent, "RECENT_S", -1.0)
    assert inspect_source(store, on_recent="fail") == found


def test_the_step(source, tmp_path, capsys):
    made = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    made.on_recent_change = "fail"
    with pytest.raises(StepError):
        made.inspect()
    assert f"error: {source}/" in capsys.readouterr().err
    made.on_recent_change = "warn"
    made.inspect()
    assert f"WARNING {source}/" in capsys.readouterr().err


def test_objects_of_a_bucket_have_the_time_of_their_upload(s3_server, s3_environment, tmp_path):
    from support import s3

    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    client.put_object(Bucket=bucket, Key="in/0/0", Body=b"x")
    for engine in ("obstore", "fsspec"):
        store = open_store(
            f"s3://{bucket}/in", {"s3://": {"engine": engine, "region": "us-east-1"}}
        )
        (info,) = store.list_tree("")
        assert abs(info.changed - time.time()) < 300, engine
        (_, (info,)) = store.list_folder("0")
        assert abs(info.changed - time.time()) < 300, engine
