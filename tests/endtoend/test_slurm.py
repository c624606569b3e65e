"""The workflow on a real SLURM, with the profile that users get."""

import glob
import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import zarr

from servers import slurm
from servers.canned import CannedServer
from servers.web import WebServer
from support.crates import without_times
from support.images import write_image
from support.sources import write_plate
from support.workflow import ROOT, command, contents, environment, snakemake
from uplift.work import ledger

QUICK = ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
ONE = ["input=in.zarr", "output=out.zarr", "license=CC0-1.0", "previews=false"]
_started = []


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    reason = slurm.why_not()
    if reason is not None:
        pytest.skip(reason)
    with slurm.Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def new_jobs(cluster):
    """Jobs that a test brings to the cluster."""
    before = {job["JobId"] for job in cluster.jobs()}
    return lambda: [job for job in cluster.jobs() if job["JobId"] not in before]


@pytest.fixture(autouse=True)
def nothing_goes_on(cluster):
    yield
    while _started:  # where a test failed
        _started.pop().kill()
    cluster.recover()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """An image, and what a computer alone makes of it."""
    folder = tmp_path_factory.mktemp("alone")
    write_image(folder / "in.zarr", size=1024, chunk=64)  # seconds, for those who kill
    assert snakemake(folder, "--config", *ONE).code == 0
    return folder


def on_cluster(folder, *config, options=()):
    line = [word for word in command(folder) if word not in ("--cores", "2")]
    profile = ["--workflow-profile", str(ROOT / "profiles" / "slurm")]
    return [*line, *profile, *QUICK, *options, "--config", *config]


def finish(line):
    done = subprocess.run(
        line,
        env=slurm.with_plugin(environment()),
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return done.returncode, done.stdout + done.stderr


class Started:
    """A run that goes on while a test does something to it."""

    def __init__(self, line, log):
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                line, env=slurm.with_plugin(environment()), stdout=stream, stderr=stream
            )
        _started.append(self)

    def until(self, happened, what):
        """What `happened` returns, once that is something."""
        end = time.monotonic() + 120
        while not (found := happened()):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, f"no {what}"
            time.sleep(0.05)
        return found

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self):
        try:
            code = self._process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"it does not end: {self._log.read_text()}")
        return code, self._log.read_text()


def assert_same(found, expected):
    """The same output, but for days and inventories of the sources."""
    found, expected = contents(found), contents(expected)
    # the cluster's jobs do not see SOURCE_DATE_EPOCH, and a copy of a source has another inventory
    crates = [without_times(tree.pop("ro-crate-metadata.json")) for tree in (found, expected)]
    for crate in crates:
        (inventory,) = (one for one in crate if one["@id"] == "#source-inventory")
        crate.remove(inventory)
    assert crates[0] == crates[1]
    assert found == expected


def converting(folder, name):
    """Id of the process that converts a dataset, and its SLURM job's; None while there is none."""
    log = folder / f"results/{name}/logs/convert/1-of-1.log"
    # unlike pathlib's, this passes over processes that end meanwhile
    for opened in map(Path, glob.iglob("/proc/[0-9]*/fd/*")):  # noqa: PTH207
        try:
            if opened.readlink() != log:
                continue
            words = (opened.parents[1] / "environ").read_text().split("\0")
        except OSError:  # it has ended
            continue
        variables = dict(word.partition("=")[::2] for word in words)
        return int(opened.parents[1].name), variables["SLURM_JOB_ID"]
    return None


def test_a_sheet(tmp_path, expected, cluster, new_jobs):
    """A plate, an image of three slices, and six small images, two to a job, one of them bad."""
    rows = ["dataset,input,output,license,jobs"]
    for number in range(6):
        write_image(tmp_path / f"in/{number}.zarr", labels=False, size=32, seed=number)
        rows.append(f"small{number},in/{number}.zarr,out/{number}.zarr,CC0-1.0,1")
    (tmp_path / "in/3.zarr/0/0/0/0/0").write_bytes(b"no chunk")
    write_plate(tmp_path / "in/plate.zarr")
    shutil.copytree(expected / "in.zarr", tmp_path / "in.zarr")
    rows += ["plate,in/plate.zarr,out/plate.zarr,CC0-1.0,", "in,in.zarr,out.zarr,CC0-1.0,3"]
    (tmp_path / "sheet.csv").write_text("\n".join(rows) + "\n")

    options = ["--group-components", "look=8", "small=2"]
    line = on_cluster(tmp_path, "samples=sheet.csv", "previews=false", options=options)
    code, said = finish(line)
    assert code == 1, "one is bad"
    outputs = [tmp_path / f"out/{number}.zarr" for number in range(6) if number != 3]
    for output in [*outputs, tmp_path / "out/plate.zarr", tmp_path / "out.zarr"]:
        assert zarr.open_group(output, mode="r").attrs["ome"]["version"] == "0.5", said
    assert_same(tmp_path / "out.zarr", expected / "out.zarr")

    # one job looks at two datasets; that of the bad one is tried three times, in vain
    kinds = Counter(job["Comment"].removeprefix("rule_").split("_")[0] for job in new_jobs())
    assert kinds == {"small": 5, "look": 1, "dataset": 1, "convert": 3, "finish": 1}
    spent = ledger.read(tmp_path / "results/small3" / ledger.NAME)
    assert sum(one.exit_code for one in spent if one.step == "convert") == 1, "at once"
    assert "small3: not finished" in said


def test_jobs_that_did_not_end_are_tried_again(tmp_path, expected, cluster, new_jobs):
    """The user, the system or the time limit ended them: with more memory and time."""
    left = {
        "cancelled": lambda _, job: cluster.ask("scancel", job),
        "killed": lambda process, _: os.kill(process, signal.SIGKILL),
        "late": lambda process, job: (os.kill(process, signal.SIGSTOP), cluster.end(job)),
    }
    states = {"CANCELLED", "FAILED", "TIMEOUT"}
    if slurm.has_memory_limits():
        left["memory"] = lambda _, job: cluster.take_memory(job)
        states.add("OUT_OF_MEMORY")
    names = list(left)
    rows = ["dataset,input,output,license,jobs"]
    for name in names:
        shutil.copytree(expected / "in.zarr", tmp_path / name / "in.zarr")
        rows.append(f"{name},{name}/in.zarr,{name}/out.zarr,CC0-1.0,1")
    (tmp_path / "sheet.csv").write_text("\n".join(rows) + "\n")

    def all_ended():
        for name in list(left):
            if found := converting(tmp_path, name):
                left.pop(name)(*found)
        return not left

    run = Started(on_cluster(tmp_path, "samples=sheet.csv", "previews=false"), tmp_path / "log")
    run.until(all_ended, "conversion")
    code, said = run.end()
    assert code == 0, said
    for name in names:
        assert_same(tmp_path / name / "out.zarr", expected / "out.zarr")
    asked = {"1700M": [], "3400M": []}
    for one in new_jobs():
        asked[one["MinMemoryNode"]].append((one["JobState"], one["TimeLimit"]))
    first, second = asked.values()
    assert {state for state, _ in first} == states
    assert {state for state, _ in second} == {"COMPLETED"}
    assert len(second) == len(names)
    assert {limit for _, limit in first} < {limit for _, limit in first + second}


def test_preempted_and_lost_nodes(tmp_path, expected, cluster, new_jobs):
    """A job that gives way to another, and does not come back; then its node dies."""
    shutil.copytree(expected / "in.zarr", tmp_path / "in.zarr")
    line = on_cluster(tmp_path, *ONE, "jobs=1", f"slurm={{partition: {slurm.GIVES_WAY}}}")
    run = Started(line, tmp_path / "log")
    process, first = run.until(lambda: converting(tmp_path, "in"), "conversion")
    os.kill(process, signal.SIGSTOP)
    cluster.ask("sbatch", "--exclusive", "--output=/dev/null", "--wrap=true")
    process, second = run.until(
        lambda: (found := converting(tmp_path, "in")) and found[1] != first and found,
        "second attempt",
    )
    os.kill(process, signal.SIGSTOP)
    cluster.lose_node()
    cluster.run_now(second)
    code, said = run.end()
    assert code == 0, said
    assert_same(tmp_path / "out.zarr", expected / "out.zarr")
    found = {
        one["JobId"]: (one["JobState"], one["Restarts"])
        for one in new_jobs()
        if one["Partition"] == slurm.GIVES_WAY
    }
    assert found[first] == ("PREEMPTED", "0")
    # SLURM starts it again by itself; where its locks are still held, another attempt ends it
    assert found[second][1] == "1"
    assert found[max(found, key=int)][0] == "COMPLETED"


def test_no_more_requests_than_a_site_allows(tmp_path, cluster, new_jobs):
    """Those of all jobs together, and of datasets that share one."""
    cap, names = 4, "abc"
    for name in names:
        write_image(tmp_path / f"web/{name}.zarr", size=64, labels=False)
    with WebServer(tmp_path / "web", delay_s=0.05) as server:
        rows = [f"{n},{server.url}/{n}.zarr,out/{n}.zarr,CC0-1.0,1" for n in names]
        sheet = ["dataset,input,output,license,jobs", *rows]
        (tmp_path / "sheet.csv").write_text("\n".join(sheet) + "\n")
        storage = {server.url: {"concurrency": cap, "max_requests": cap}}
        settings = ["samples=sheet.csv", "previews=false", f"storage={json.dumps(storage)}"]
        options = ["--group-components", "look=8", "small=2"]
        code, said = finish(on_cluster(tmp_path, *settings, options=options))
        assert code == 0, said
        assert 1 < server.most_at_once <= cap
    times = sorted((one["StartTime"], one["EndTime"]) for one in new_jobs())
    assert len(times) == 2
    assert times[0][1] <= times[1][0], "one after the other"


def test_jobs_that_wait_are_cancelled_when_all_fail_for_one_reason(tmp_path, cluster, new_jobs):
    """Three datasets are refused by their server; those in SLURM's queue never start."""
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with CannedServer(refused) as server:
        rows = [f"d{n},{server.url}/{n}.zarr,out/{n}.zarr,CC0-1.0,1" for n in range(16)]
        sheet = ["dataset,input,output,license,jobs", *rows]
        (tmp_path / "sheet.csv").write_text("\n".join(sheet) + "\n")
        code, said = finish(on_cluster(tmp_path, "samples=sheet.csv", "previews=false"))
    assert code == 1
    assert "3 datasets failed since access is denied: no further job was started" in said
    jobs = new_jobs()
    assert {one["JobState"] for one in jobs} == {"FAILED", "CANCELLED"}
    assert {one["RunTime"] for one in jobs if one["JobState"] == "CANCELLED"} == {"00:00:00"}
    assert len(list(tmp_path.glob("results/*/logs"))) < 8, "of 16"
    assert not cluster.ask("squeue", "-h")


def test_jobs_that_wait_are_not_said_to_run(tmp_path, cluster, new_jobs):
    write_image(tmp_path / "in.zarr", labels=False, size=32)
    job = cluster.ask(
        "sbatch", "--parsable", "--exclusive", "--output=/dev/null", "--wrap=sleep 99"
    )
    line = [word for word in on_cluster(tmp_path, *ONE) if word not in ("--quiet", "host")]
    run = Started(line, tmp_path / "log")
    # a line now and then, where there is no terminal
    run.until(lambda: "in: waiting in SLURM's queue" in (tmp_path / "log").read_text(), "line")
    cluster.ask("scancel", job)
    code, said = run.end()
    assert code == 0, said
    assert "in: valid" in said


def test_jobs_that_slurm_refuses_are_said_in_its_words(tmp_path, cluster, new_jobs):
    rows = ["dataset,input,output,license"]
    for number in range(8):
        write_image(tmp_path / f"in/{number}.zarr", labels=False, size=32, seed=number)
        rows.append(f"d{number},in/{number}.zarr,out/{number}.zarr,CC0-1.0")
    (tmp_path / "sheet.csv").write_text("\n".join(rows) + "\n")
    config = ("samples=sheet.csv", "previews=false", "slurm={partition: nosuch, account: lab}")
    line = [word for word in on_cluster(tmp_path, *config) if word not in ("--quiet", "host")]
    code, said = finish(line)
    assert code == 1
    assert "SLURM refused the job: invalid partition specified: nosuch" in said
    assert "SLURM refused 3 jobs: no further job was sent" in said
    assert "out of memory" not in said
    assert new_jobs() == []


def test_no_job_asks_for_more_time_than_its_partition_gives(tmp_path, cluster, new_jobs):
    """SLURM would keep it waiting, without a word."""
    write_image(tmp_path / "in.zarr", labels=False, size=32)
    longer = ["--set-resources", "convert:runtime=90"]  # of a job that is in no group
    settings = [*ONE, "jobs=2", f"slurm={{partition: {slurm.SHORT}}}"]
    line = on_cluster(tmp_path, *settings, options=longer)
    code, said = finish([word for word in line if word not in ("--quiet", "host")])
    assert code == 0, said
    assert {one["JobState"] for one in new_jobs()} == {"COMPLETED"}
    names = [one["Comment"].removeprefix("rule_").split("_")[0] for one in new_jobs()]
    limits = dict(zip(names, (one["TimeLimit"] for one in new_jobs()), strict=True))
    assert limits["convert"] == limits["look"] == "00:20:00"
    assert max(limits.values()) == "00:20:00"
    assert "gets 20, the limit of the partition" in said


def test_jobs_that_outlive_snakemake_do_no_harm(tmp_path, expected, cluster):
    """Snakemake dies while jobs run; the next run meets them at the same output."""
    shutil.copytree(expected / "in.zarr", tmp_path / "in.zarr")
    line = on_cluster(tmp_path, *ONE, "jobs=1")
    first = Started(line, tmp_path / "first.log")
    first.until((tmp_path / "results/in/claim.json").exists, "claim")
    first.kill()
    assert finish([*line, "--unlock"])[0] == 0
    code, said = finish(line)
    assert code == 0, said
    # the job may have ended everything meanwhile
    assert "in: valid" in said or "Nothing to be done" in said
    assert_same(tmp_path / "out.zarr", expected / "out.zarr")


def test_a_dead_controller(tmp_path, expected, cluster):
    """It dies while a job runs, and is back after the job has ended."""
    shutil.copytree(expected / "in.zarr", tmp_path / "in.zarr")
    run = Started(on_cluster(tmp_path, *ONE, "jobs=1"), tmp_path / "log")
    process, _ = run.until(lambda: converting(tmp_path, "in"), "conversion")
    os.kill(process, signal.SIGSTOP)
    cluster.kill_controller()
    os.kill(process, signal.SIGCONT)
    run.until((tmp_path / "results/in/published.json").exists, "end of the job")
    cluster.start_controller()
    code, said = run.end()
    assert code == 0, said
    assert_same(tmp_path / "out.zarr", expected / "out.zarr")
