"""The ledger of costs: a line a job, added up and never replaced."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from uplift.work import ledger, traffic

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def spent(step="convert", **values):
    return ledger.Spent(step, **values)


def test_a_job_adds_a_line_with_what_it_spent(tmp_path):
    file = tmp_path / "d" / "costs.jsonl"
    with ledger.measured(file, "convert", "1-of-2", threads=3) as job:
        traffic.TRAFFIC.add(objects_read=2, bytes_read=100)
        sum(range(2_000_000))
        job.exit_code = 0
    with ledger.measured(file, "migrate"):
        pass
    first, second = ledger.read(file)
    assert (first.step, first.job, first.threads, first.exit_code) == ("convert", "1-of-2", 3, 0)
    assert (first.objects_read, first.bytes_read, second.bytes_read) == (2, 100, 0)
    assert first.cpu_seconds > 0.01
    assert first.wall_seconds > 0.01
    assert first.peak_memory_bytes > 10e6
    assert second.cpu_seconds < first.cpu_seconds
    assert second.exit_code == 1
    assert first.versions["python"] == sys.version.split()[0]
    assert first.started.endswith("+00:00")


def test_a_job_that_raises_has_a_line(tmp_path):
    with pytest.raises(ValueError, match="x"), ledger.measured(tmp_path / "c.jsonl", "plan"):
        raise ValueError("x")
    assert [line.exit_code for line in ledger.read(tmp_path / "c.jsonl")] == [1]


def test_the_first_job_of_a_process_pays_for_its_start(tmp_path):
    program = (
        "import sys, time; from pathlib import Path\ntime.sleep(0.3)\n"
        "from uplift.work import ledger\n"
        "with ledger.measured(Path(sys.argv[1]), 'plan') as job: job.exit_code = 0"
    )
    file = tmp_path / "c.jsonl"
    command = [sys.executable, "-c", program, str(file)]
    subprocess.run(command, env={"PYTHONPATH": str(SCRIPTS)}, check=True)
    (line,) = ledger.read(file)
    assert line.wall_seconds > 0.3
    assert line.cpu_seconds > 0.02


@pytest.mark.skipif(sys.platform != "linux", reason="counted by Linux alone")
def test_what_was_in_memory_does_not_count_as_read_from_a_disk(tmp_path):
    """The system's count for the process is the other opinion; it is 0 on a disk in memory."""

    def delivered():
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["read_bytes"])

    large, file = tmp_path / "large", tmp_path / "c.jsonl"
    large.write_bytes(bytes(2**22))
    with large.open("rb") as stream:
        os.fsync(stream)
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found = []
    for _ in range(2):
        before = delivered()
        with ledger.measured(file, "convert"):
            large.read_bytes()
        found.append(delivered() - before)
    first, second = (line.disk_bytes_read for line in ledger.read(file)[-2:])
    assert first <= found[0] + ledger.read(file)[0].disk_bytes_read
    assert second == found[1] == 0
    assert (first >= 2**22) == (found[0] >= 2**22)


def test_a_line_that_was_cut_short_costs_no_other(tmp_path):
    file = tmp_path / "c.jsonl"
    ledger.append(file, spent())
    with file.open("a") as stream:
        stream.write('{"step": "conv')
    ledger.append(file, spent("plan"))
    assert [line.step for line in ledger.read(file)] == ["convert", "plan"]


def test_keys_of_a_later_version_are_passed_over(tmp_path):
    file = tmp_path / "c.jsonl"
    file.write_text(json.dumps({"step": "plan", "later": 1, "wall_seconds": 2.5}) + "\n")
    assert ledger.read(file)[0].wall_seconds == 2.5


def test_sums_are_by_step_in_the_order_of_work():
    lines = [
        spent("inspect_source", cpu_seconds=1, peak_memory_bytes=7, exit_code=0),
        spent(cpu_seconds=2, peak_memory_bytes=5, bytes_read=10, requests=3, exit_code=0),
        spent(cpu_seconds=3, peak_memory_bytes=9, bytes_read=20, exit_code=75),
    ]
    sums = ledger.by_step(lines)
    assert list(sums) == ["inspect_source", "convert"]
    convert = sums["convert"]
    assert (convert.jobs, convert.failed, convert.cpu_seconds) == (2, 1, 5)
    assert (convert.peak_memory_bytes, convert.bytes_read, convert.requests) == (9, 30, 3)
    assert ledger.added_up([]).jobs == 0


def test_counts_from_many_threads_are_all_there():
    counted = traffic.Traffic()

    def count():
        for _ in range(2000):
            counted.add(requests=1, bytes_read=3)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (counted.requests, counted.bytes_read) == (16_000, 48_000)


def test_a_folder_without_a_ledger_cost_nothing(tmp_path):
    assert ledger.read(tmp_path / "costs.jsonl") == []
