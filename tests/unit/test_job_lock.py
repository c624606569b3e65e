"""Jobs that outlived their Snakemake are waited for, but not for ever."""

import logging
import threading
import time

import pytest

from uplift.errors import OutputError
from uplift.work import job_lock
from uplift.work.job_lock import only_job


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal" / "b.jsonl"


def test_a_job_waits_for_one_that_outlived_its_run(path):
    order, started = [], threading.Event()

    def survivor():
        with only_job(path):
            started.set()
            time.sleep(0.3)
            order.append("survivor")

    thread = threading.Thread(target=survivor)
    thread.start()
    assert started.wait(10)
    with only_job(path):
        order.append("next")
    thread.join()
    assert order == ["survivor", "next"]
    assert list(path.parent.iterdir()) == []


def test_a_job_that_does_nothing_is_not_waited_for(path, monkeypatch, caplog):
    monkeypatch.setattr(job_lock, "PATIENCE_S", 0.1)
    caplog.set_level(logging.INFO)
    with only_job(path), only_job(path):
        pass
    assert "going on at the same time" in caplog.text


def test_without_locks_jobs_go_on(path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with only_job(path), only_job(path):
        pass


def test_where_two_plans_could_mix_nobody_goes_on_beside(path, monkeypatch):
    monkeypatch.setattr(job_lock, "PATIENCE_S", 0.1)
    with only_job(path):
        late = pytest.raises(OutputError, match=r"b\.lock: a job of an earlier run still works")
        with late, only_job(path, overlap=False):
            pass
        with only_job(path):
            pass


def test_who_waited_keeps_out_who_comes_later(path):
    inside, order, held = threading.Semaphore(1), [], [threading.Event() for _ in range(3)]

    def job(number, before):
        if before is not None:
            assert before.wait(10)
        with only_job(path):
            assert inside.acquire(blocking=False)
            held[number].set()
            time.sleep(0.5)
            order.append(number)
            inside.release()

    # the second waits for the first, which takes the file away; the third makes a new one
    threads = [
        threading.Thread(target=job, args=args) for args in ((0, None), (1, held[0]), (2, held[1]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2]
