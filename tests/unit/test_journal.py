"""The journal: damage costs a redo, never a wrong skip."""

import json

import pytest

from uplift.conversion.journal import Done, Journal


def done(**changes):
    facts = {"path": "0", "fingerprint": "f", "start": 0, "stop": 1, "objects": 1, "bytes": 9}
    return Done(**{**facts, "chunks": 4, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal" / "b.jsonl"


def written(path, *entries, finish=False):
    journal = Journal(path)
    journal.start([])
    for entry in entries:
        journal.add(entry)
    if finish:
        journal.finish()
    return path


def test_absent_journal_is_empty(path):
    journal = Journal(path)
    assert (journal.complete, journal.done) == (False, [])


def test_lines_are_read_back(path):
    written(path, done(), done(start=1, stop=2), finish=True)
    journal = Journal(path)
    assert journal.complete
    assert journal.done == [done(), done(start=1, stop=2)]
    assert journal.fingerprints == {"0": "f"}


@pytest.mark.parametrize("damage", [b'{"path": "0"', b"\xff\xfe", b'{"path": 1}\n', b"[]\n"])
def test_damage_ends_the_trust(path, damage):
    written(path, done())
    path.write_bytes(path.read_bytes() + damage + json.dumps(done(start=5).to_json()).encode())
    journal = Journal(path)
    assert not journal.complete
    assert journal.done == [done()]


def test_unsynced_lines_of_another_boot_count_only_when_flushed(path):
    written(path, done(boot="another"), done(start=1, stop=2))
    assert Journal(path).done == [done(start=1, stop=2)]
    journal = Journal(path)
    journal.start([])
    journal.add(done(boot="another"))
    with journal.flushing():
        pass
    assert Journal(path).done == [done(boot="another")]
