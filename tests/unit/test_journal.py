"""The journal: damage costs a redo, never a wrong skip."""

import json

import pytest

from uplift.errors import OutputError
from uplift.work.journal import Done, Journal


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


def test_lines_of_earlier_versions_are_read(path):
    line = done(repeated_reads=((0, 1),)).to_json()
    line["reread"] = line.pop("repeated_reads")
    path.parent.mkdir()
    path.write_text(json.dumps(line) + "\n")
    assert Journal(path).done == [done(repeated_reads=((0, 1),))]


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


def test_a_job_that_another_one_took_over_writes_nothing_more(path):
    first = Journal(path)
    first.start([])
    first.add(done())
    second = Journal(path)
    second.start(second.done)
    for late in (first.refuse_superseded, lambda: first.add(done(start=1, stop=2))):
        with pytest.raises(OutputError, match=r"b\.jsonl: no longer of this job"):
            late()
    second.add(done(start=2, stop=3))
    assert Journal(path).done == [done(), done(start=2, stop=3)]


def test_a_job_that_keeps_its_journal_open_sees_that_another_one_took_over(path):
    first = Journal(path)
    first.start([])
    with first.kept_open() as lines:
        lines.add(done())
        second = Journal(path)
        second.start(second.done)
        for late in (lines.refuse_superseded, lambda: lines.add(done(start=1, stop=2))):
            with pytest.raises(OutputError, match=r"b\.jsonl: no longer of this job"):
                late()
    assert Journal(path).done == [done()]


@pytest.mark.parametrize("damage", [None, b"", b"\xff\n", b"[]\n"])
def test_a_job_whose_journal_is_gone_writes_nothing_more(path, damage):
    journal = Journal(path)
    journal.start([])
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(OutputError, match="writes nothing more"):
        journal.add(done())
    assert (path.read_bytes() if path.exists() else None) == damage
