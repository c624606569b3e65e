"""Which steps share a job of a cluster, and what jobs may ask for."""

import asyncio
import json
import os
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import ResourceList

from uplift.work.folder import WorkFolder
from uplift.workflow import cluster, slices, slurm_plugin

STEPS = ("inspect_source", "plan", "claim", "convert", "migrate", "crate", "validate", "publish")


def groups(count, *, is_sized=True, size=None):
    return [cluster.group_of(step, count, is_sized=is_sized, size=size) for step in STEPS]


def test_a_dataset_of_one_slice_is_one_job():
    assert groups(1, size=2**20) == ["small"] * 8
    assert groups(1) == ["small"] * 8, "the sheet says so"
    assert groups(1, size=2**40) == ["dataset"] * 8


def test_a_dataset_of_unknown_size_is_planned_by_a_job_of_its_own():
    assert groups(1, is_sized=False) == ["look"] * 2 + ["dataset"] * 6


def test_slices_are_jobs_of_their_own():
    assert groups(4, size=2**40) == ["look"] * 3 + [None] + ["finish"] * 4


ANSWER = """main* 64 256000 1-00:00:00
main* 48 512000 1-00:00:00
long 16 64000 infinite
long 128 128000 infinite
test 8 64000 30:00
"""


@pytest.mark.parametrize(
    ("partition", "nodes"),
    [
        (None, (48, 512000, 1440)),
        ("long", (16, 128000, None)),
        ("long,main", (16, 512000, None)),
        ("main,test", (8, 512000, 1440)),
        ("test", (8, 64000, 30)),
    ],
)
def test_nodes_of_a_partition(partition, nodes):
    assert cluster.nodes_in(ANSWER, partition) == cluster.Nodes(*nodes)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1-02:03:04", 1563), ("8:00:00", 480), ("30:00", 30), ("0:30", 1), ("infinite", None)],
)
def test_times_as_slurm_writes_them(text, minutes):
    assert cluster.minutes_in(text) == minutes


def test_jobs_ask_for_no_more_time_than_a_partition_gives(caplog):
    class Sending(Executor):
        def run_jobs(self, jobs):
            self.sent = [job.resources.get("runtime") for job in jobs]

    class Job:
        """As Snakemake's, a group's resources are a dict, and a copy of it is handed out."""

        def __init__(self, minutes, kind, **more):
            self._resources = kind({"mem_mb": 7, "runtime": minutes, **more})

        @property
        def resources(self):
            return ResourceList(fromdict=self._resources)

    executor = Sending()
    slurm_plugin.adapt(executor, 15, longest=60)
    for kind in (dict, lambda given: ResourceList(fromdict=given)):
        executor.run_jobs(jobs := [Job(minutes, kind) for minutes in (30, 90, 120, None)])
        assert executor.sent == [30, 60, 60, None]
        assert [job.resources.get("mem_mb") for job in jobs] == [7] * 4
        executor.run_jobs([Job(90, kind, slurm_partition="long")])
        assert executor.sent == [90], "of another partition, whose limit is not known"
    assert caplog.text.count("the limit of the partition") == 1


def test_no_nodes():
    assert cluster.nodes_in(ANSWER, "gpu") is None
    assert cluster.nodes_in("", None) is None


def test_cores_of_a_job():
    assert cluster.allotted_cores({"SLURM_CPUS_PER_TASK": "4"}) == 4
    assert cluster.allotted_cores({}) is None


class Executor:
    """As SLURM's plugin looks after jobs; `answer` is what its controller says of them."""

    def __init__(self, answer=None, array_jobs=()):
        self._waits, self.answer, self.reported = 0, answer, []
        self.array_jobs = set(array_jobs)

    def additional_general_args(self):
        return "--executor slurm-jobstep --jobs 1"

    @property
    def next_seconds_between_status_checks(self):
        return self._waits

    @next_seconds_between_status_checks.setter
    def next_seconds_between_status_checks(self, value):
        self._waits = value

    async def check_active_jobs(self, active_jobs):
        for one in active_jobs if self.answer else ():
            if self.answer[one] == "done":
                self.report_job_success(one)
            elif self.answer[one] == "failed":
                self.report_job_error(one, msg="out of memory")
            else:
                yield one

    def report_job_success(self, job_info):
        self.reported.append(job_info)

    def report_job_error(self, job_info, msg):
        self.reported.append((job_info, msg))


def looked(executor, *jobs):
    async def look():
        return [one async for one in executor.check_active_jobs(list(jobs))]

    return asyncio.run(look())


def test_waits_between_looks_have_a_limit():
    executor = Executor()
    slurm_plugin.adapt(executor, 15)
    waits = []
    for _ in range(4):
        executor.next_seconds_between_status_checks += 10
        waits.append(executor.next_seconds_between_status_checks)
    assert waits == [10, 15, 15, 15]
    executor.next_seconds_between_status_checks = 5
    assert executor.next_seconds_between_status_checks == 5


def test_snakemake_starts_once_in_a_job():
    executor, arrays = Executor(), Executor(array_jobs=["convert"])
    for one in (executor, arrays):
        slurm_plugin.adapt(one, 15)
    assert executor.additional_general_args() == ""
    assert arrays.additional_general_args() == "--executor slurm-jobstep --jobs 1"


def test_jobs_are_not_forgotten_when_the_controller_gives_no_answer():
    executor = Executor()
    assert looked(executor, "a", "b") == [], "what the plugin does"
    slurm_plugin.adapt(executor, 15)
    assert looked(executor, "a", "b") == ["a", "b"]
    executor.answer = {"a": "done", "b": "runs", "c": "failed"}
    assert looked(executor, "a", "b", "c") == ["b"]
    assert executor.reported == ["a", ("c", "out of memory")]


def test_jobs_that_wait_are_cancelled_when_a_run_is_stopped(tmp_path, monkeypatch):
    said = tmp_path / "said"
    program = tmp_path / "scancel"
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    stopped = []
    executor = Executor()
    slurm_plugin.adapt(executor, 15, is_stopped=lambda: bool(stopped))
    jobs = [SimpleNamespace(external_jobid=number) for number in ("7", "8", None)]
    assert looked(executor, *jobs) == jobs
    assert not said.exists()
    stopped.append(True)
    assert looked(executor, *jobs) == jobs, "what becomes of them is seen by the next look"
    assert said.read_text() == "--quiet --state=PENDING 7 8\n"
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert looked(executor, *jobs) == jobs, "no scancel: tried again by the next look"


def test_jobs_that_will_not_run_again_are_cancelled():
    """At once where sacct says by whom; a preempted one when it was not put back into the queue."""
    answers = iter(
        [
            ({"1": "CANCELLED by 1000", "2": "PREEMPTED", "3": "PREEMPTED", "4": "RUNNING"}, 0.1),
            (None, None),
            ({"2": "PENDING", "3": "PREEMPTED", "4": "PREEMPTED"}, 0.1),
        ]
    )

    async def ask(command, _logger):
        assert command == "squeue"
        return next(answers)

    asked = slurm_plugin.with_lost_jobs_named(ask)
    found = [asyncio.run(asked("squeue", None))[0] for _ in range(3)]
    assert found == [
        {"1": "CANCELLED", "2": "PREEMPTED", "3": "PREEMPTED", "4": "RUNNING"},
        None,
        {"2": "PENDING", "3": "CANCELLED", "4": "PREEMPTED"},
    ]


def test_jobs_that_wait_are_known_by_their_numbers():
    def active(number, external, *parts):
        jobs = [SimpleNamespace(jobid=part) for part in parts]
        job = SimpleNamespace(jobid=number, jobs=jobs, is_group=lambda: bool(jobs))
        return SimpleNamespace(job=job, external_jobid=external)

    jobs = [active(1, "71"), active("a", "72", 2, 3), active(4, "73"), active(5, None)]
    states = {"71": "RUNNING", "72": "PENDING", "73": "PENDING", "74": "PENDING"}
    assert slurm_plugin.queued_of(jobs, states) == {2, 3, 4}


def test_jobs_that_are_no_longer_listed_are_unknown():
    """When three answers in a row do not name them, and not when there was no answer."""
    both, one = {"1": "RUNNING", "2": "PENDING"}, {"1": "RUNNING"}
    answers = iter([both, one, None, one, both, one, one, one, one])

    async def ask(_command, _logger):
        states = next(answers)
        return (None, None) if states is None else (dict(states), 0.1)

    asked = slurm_plugin.with_lost_jobs_named(ask)
    found = [asyncio.run(asked("squeue", None))[0] for _ in range(9)]
    gone = {"1": "RUNNING", "2": "UNKNOWN"}
    assert found == [both, one, None, one, both, one, one, gone, gone]


def test_an_executor_without_looks_is_left_alone():
    executor = object()
    slurm_plugin.adapt(executor, 15)
    assert type(executor) is object


@pytest.fixture
def work(tmp_path):
    return WorkFolder(tmp_path)


def write_plan(work, stored, **costs):
    estimate = {"before": {"objects": 7, "bytes": stored}, "costs": costs or None}
    work.plan.write_text(json.dumps({"estimate": estimate, "arrays": [{}, {}]}))


def test_slices_without_a_plan(work):
    assert slices.slice_count(work) == 1
    assert slices.slice_count(work, asked=5) == 5


def test_slices_by_the_plan_unless_the_sheet_says_another_number(work):
    write_plan(work, 3 * slices.SLICE_BYTES - 1)
    assert slices.slice_count(work) == 3
    assert slices.slice_count(work, asked=1) == 1


def test_slices_that_are_done_keep_their_number(work):
    work.slice(1, 1).parent.mkdir()
    work.slice(1, 1).write_text("{}")
    assert slices.slice_count(work, asked=4) == 1


def test_what_a_plan_says(work):
    assert slices.planned(work) is None
    write_plan(work, 100)
    assert slices.planned(work) == slices.Planned(2, 7, 100)
    write_plan(work, 1000, memory_mib=300, cpu_seconds=8.5)
    assert slices.planned(work) == slices.Planned(2, 7, 1000, 300, 8.5)
    work.plan.write_text('{"estimate": null}')
    assert slices.planned(work) is None


def test_cores_pay_for_bytes_and_for_arrays_whatever_their_size():
    assert slices.cores_for(0, 1) == slices.cores_for(2**26 - 1, 255) == 1
    assert slices.cores_for(2**30, 4) == 17
    assert slices.cores_for(10 * 2**20, 1536) == 7


def test_a_job_that_sbatch_does_not_take_is_told_with_its_words():
    said, executor = [], Executor()
    slurm_plugin.adapt(executor, 15, on_refused=said.append)
    words = "sbatch: error: invalid partition specified: nosuch\nsbatch: error: Batch job failed"
    for text in (
        f"SLURM sbatch failed. The error message was '{words}'.\n    sbatch call:\n",
        "SLURM-job '7' failed, SLURM status is: 'FAILED'.",
        None,
    ):
        executor.report_job_error(SimpleNamespace(), text)
    assert said == ["invalid partition specified: nosuch"]
    assert len(executor.reported) == 3
