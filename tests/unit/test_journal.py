"""The journal: damage costs a redo, never a wrong skip."""

import json
import logging
import threading
import time

import pytest

from uplift.conversion import journal as journals
from uplift.conversion.journal import Done, Journal, only_job


def done(**changes):
    facts = {"path": "0", "fingerprint": "f", "start": 0, "stop": 1, "objects": 1, "bytes": 9}
    return Done(**{**facts, "chunks": 4, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal" / "b.jsonl"


def written(path, *entries):
    journal = Journal(path)
    journal.start([])
    for entry in entries:
        journal.add(entry)
    return path


def test_absent_journal_is_empty(path):
    assert Journal(path).done == []


def test_lines_are_read_back(path):
    written(path, done(), done(start=1, stop=2))
    assert Journal(path).done == [done(), done(start=1, stop=2)]


@pytest.mark.parametrize("damage", [b'{"path": "0"', b"\xff\xfe", b'{"path": 1}\n', b"[]\n"])
def test_damage_ends_the_trust(path, damage):
    written(path, done())
    path.write_bytes(path.read_bytes() + damage + json.dumps(done(start=5).to_json()).encode())
    assert Journal(path).done == [done()]


def test_unsynced_lines_of_another_boot_count_only_when_flushed(path):
    written(path, done(boot="another"), done(start=1, stop=2))
    assert Journal(path).done == [done(start=1, stop=2)]
    journal = Journal(path)
    journal.start([])
    journal.add(done(boot="another"))
    with journal.flushing():
        pass
    assert Journal(path).done == [done(boot="another")]


def test_lines_added_during_a_flush_wait_for_the_next(path):
    journal = Journal(path)
    journal.start([])
    journal.add(done(boot="another"))
    with journal.flushing():
        journal.add(done(start=1, stop=2, boot="another"))
    assert Journal(path).done == [done(boot="another")]
    with journal.flushing():
        pass
    assert len(Journal(path).done) == 2


def test_a_flush_that_fails_covers_nothing(path):
    journal = Journal(path)
    journal.start([])
    journal.add(done(boot="another"))
    with pytest.raises(OSError, match="full"), journal.flushing():
        raise OSError("full")
    assert Journal(path).done == []


def test_a_job_waits_for_one_that_outlived_its_run(path):
    order, begun = [], threading.Event()

    def survivor():
        with only_job(path):
            begun.set()
            time.sleep(0.3)
            order.append("survivor")

    thread = threading.Thread(target=survivor)
    thread.start()
    assert begun.wait(10)
    with only_job(path):
        order.append("next")
    thread.join()
    assert order == ["survivor", "next"]
    assert list(path.parent.iterdir()) == []


def test_a_job_that_does_nothing_is_not_waited_for(path, monkeypatch, caplog):
    monkeypatch.setattr(journals, "PATIENCE_S", 0.1)
    caplog.set_level(logging.INFO)
    with only_job(path), only_job(path):
        pass
    assert "going on beside it" in caplog.text


def test_without_locks_jobs_go_on(path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with only_job(path), only_job(path):
        pass
