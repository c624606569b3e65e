"""Bounded maps over a pool, and what convert makes of them on remote stores."""

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from uplift.errors import StorageError
from uplift.running.parallel import Turns, as_done, in_order
from uplift.storage.reading import ReadAhead

SHARDS = 40


@pytest.mark.parametrize("mapped", [in_order, as_done])
def test_every_result_once_and_few_under_way(mapped):
    taken = []
    inputs = (taken.append(n) or n for n in range(100))
    with ThreadPoolExecutor(4) as pool:
        results = mapped(pool, lambda n: n * n, inputs, 6)
        found = [next(results)]
        assert len(taken) <= 6
        found += results
    assert sorted(found) == [n * n for n in range(100)]
    assert mapped is as_done or found == sorted(found)


@pytest.mark.parametrize("mapped", [in_order, as_done])
def test_a_failure_ends_the_map(mapped):
    started = []

    def work(n):
        started.append(n)
        time.sleep(0.001)
        if n == 3:
            raise StorageError("no")

    with ThreadPoolExecutor(2) as pool, pytest.raises(StorageError):
        list(mapped(pool, work, range(1000), 8))
    assert len(started) < 30


def test_the_reader_that_came_first_is_served_first():
    started, free = queue.Queue(), threading.Semaphore(0)

    def read(key):
        started.put(key)
        assert free.acquire(timeout=30)
        return key.encode()

    ahead = ReadAhead(1)
    first, second, third = (
        ahead.map(read, [f"{reader}{n}" for n in range(4)], expected_bytes=2**24)
        for reader in "abc"
    )
    order = [started.get(timeout=30)]
    free.release()
    order.append(started.get(timeout=30))
    assert next(first) == b"a0"  # it asks for a1, later than the third did for c0
    free.release()
    order.append(started.get(timeout=30))
    assert order == ["a0", "b0", "a1"]
    free.release(12)
    read = [data.decode() for reader in (second, first, third) for data in reader]
    assert read == [f"b{n}" for n in range(4)] + ["a1", "a2", "a3"] + [f"c{n}" for n in range(4)]
    order += [started.get(timeout=30) for _ in range(9)]
    assert sorted(order) == [f"{reader}{n}" for reader in "abc" for n in range(4)]


def test_a_turn_ends_when_the_last_input_is_taken_and_in_any_case_once():
    turns = Turns(1)
    with turns.taken() as turn:
        assert list(turn.until_taken("ab")) == ["a", "b"]
        with turns.taken():  # nobody has to wait for the first any more
            pass
    with pytest.raises(StorageError), turns.taken() as turn:
        next(turn.until_taken("ab"))
        raise StorageError("no")
    with turns.taken():
        pass
