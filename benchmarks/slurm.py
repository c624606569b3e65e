"""Convert a sheet on a SLURM of this machine alone, and say where the time went.

A row each of 30 small images, a plate, and a large image in three slices: as ``profiles/slurm`` has
them, with its own waits. Times are of SLURM's jobs, CPU times of all processes of a job and, apart
from them, of the command on the login node. Needs root and Debian's slurm-wlm and munge.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import dataset  # noqa: E402

from servers import slurm  # noqa: E402
from support.images import write_image  # noqa: E402

_PR_SET_CHILD_SUBREAPER = 36
_LARGE_SLICES = 3


def main() -> int:
    """Run the sheet, and print a table of its jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ngff-uplift-slurm"))  # noqa: S108
    parser.add_argument("--small", type=int, default=30, help="small images")
    parser.add_argument("--plate", type=Path, help="a plate; none: a generated one of 96 wells")
    parser.add_argument("--image", type=Path, help="a large image; none: a generated one")
    parser.add_argument("--only-small", action="store_true")
    parser.add_argument("--cpus", type=int, help="of the node; none: those of the machine")
    parser.add_argument("--unsized", action="store_true", help="no column jobs for small images")
    parser.add_argument("options", nargs="*", help="of Snakemake, after --")
    given = parser.parse_args()
    reason = slurm.why_not()
    if reason is not None:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    work = given.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    sheet = _sheet(given, work)
    (work / "sheet.csv").write_text("\n".join(sheet) + "\n")
    # processes of SLURM's jobs are nobody's children, and their times are not to be lost
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with slurm.Slurm(given.folder / f"cluster-{os.getpid()}", cpus=given.cpus) as cluster:
        return _run(cluster, work, given.options)


def _sheet(given: argparse.Namespace, work: Path) -> list[str]:
    rows = ["dataset,input,output,license,jobs"]
    for number in range(given.small):
        source = given.folder / "in" / f"{number}.zarr"
        if not source.exists():
            write_image(source, labels=False, size=64, seed=number)
        count = "" if given.unsized else 1
        rows.append(f"small{number:02},{source},{work}/out/{number}.zarr,CC0-1.0,{count}")
    if not given.only_small:
        plate = given.plate or given.folder / "in/plate.zarr"
        image = given.image or given.folder / "in/image.zarr"
        dataset.generate_plate(plate, dataset.Plate()) if given.plate is None else None
        dataset.generate(image, dataset.Size()) if given.image is None else None
        rows.append(f"plate,{plate},{work}/plate.zarr,CC0-1.0,")
        rows.append(f"large,{image},{work}/large.zarr,CC0-1.0,{_LARGE_SLICES}")
    return rows


def _run(cluster: slurm.Slurm, work: Path, options: Sequence[str]) -> int:
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")]
    command += ["--directory", str(work), "--workflow-profile", str(ROOT / "profiles/slurm")]
    command += [*options, "--config", "samples=sheet.csv"]
    before, start = _seconds(resource.getrusage(resource.RUSAGE_CHILDREN)), time.time()
    with (work / "said").open("wb") as said:
        process = subprocess.Popen(
            command, env=slurm.with_plugin(os.environ), stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall, login = time.time() - start, _seconds(usage)
    process.returncode = os.waitstatus_to_exitcode(status)
    jobs = cluster.jobs()
    _reap()
    spent = _seconds(resource.getrusage(resource.RUSAGE_CHILDREN)) - before - login
    print(f"exit code {process.returncode}, {wall:.0f} s, load average {os.getloadavg()}")
    print(f"login node: {login:.1f} s of CPU, {usage.ru_maxrss // 1024} MiB")
    print(f"{len(jobs)} jobs, {spent:.1f} s of CPU, {spent / max(1, len(jobs)):.1f} each")
    by_kind, held = defaultdict(list), defaultdict(float)
    for job in jobs:
        times = [_time(job[name]) for name in ("SubmitTime", "StartTime", "EndTime")]
        kind = job["Comment"].removeprefix("rule_").split("_")[0]
        by_kind[kind].append([one - start for one in times])
        held[kind] += int(job["NumCPUs"]) * (times[2] - times[1])
    print(f"{sum(held.values()):.0f} s of held cores")
    print(
        "kind      jobs  submitted (first, last)  waited (mean, max)  ran (mean, max)  held cores"
        "  last end"
    )
    for kind, times in by_kind.items():
        submitted = [one[0] for one in times]
        waited, ran = [b - a for a, b, _ in times], [c - b for _, b, c in times]
        print(
            f"{kind:9} {len(times):4} {min(submitted):10.0f} {max(submitted):10.0f}"
            f"   {_mean(waited):10.0f} {max(waited):7.0f} {_mean(ran):10.0f} {max(ran):7.0f}"
            f" {held[kind]:11.0f} {max(one[2] for one in times):9.0f}"
        )
    return process.returncode


def _reap() -> None:
    """Wait for what SLURM's jobs left, but not for its daemons, which still run."""
    time.sleep(2)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    sys.exit(main())
