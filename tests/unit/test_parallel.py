"""Bounded maps over a pool, and what convert makes of them on remote stores."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from uplift.errors import StorageError
from uplift.running.parallel import as_done, in_order

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
