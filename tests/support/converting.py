"""Small datasets that are ready to be converted, in this process or in a job of several."""

import json
import pickle
import subprocess
import sys

import numpy as np

from support.images import multiscales, write_array, write_image, write_json
from support.steps import SCRIPTS, Conversion
from uplift.batches import cores as job_cores
from uplift.batches import portions
from uplift.batches.context import Locations, Settings
from uplift.batches.converting import convert_batches
from uplift.work.folder import WorkFolder

PLANS = {
    "repack": '{"shards": {"z": 5, "y": 64, "x": 64}}',
    "recode": '{"shards": {"z": 5, "y": 48, "x": 80}, "chunks": {"z": 1, "y": 24, "x": 40}}',
    "unsharded": '{"shards": "none"}',
    "large": '{"shards": {"z": 4, "y": 256, "x": 256}}',  # found again in shares
}
ONE_SHARD = {
    "repack": '{"shards": [4, 128, 128]}',
    "recode": '{"shards": [4, 128, 128], "codec": "zstd"}',
}
OTHER_CHUNKS = '{"shards": [4, 144, 144], "chunks": [1, 24, 48]}'
COSTS = ("wall_seconds", "cpu_seconds", "peak_memory_bytes", "threads", "started")


def cut_small(monkeypatch):
    """Everything is worth a process, and an array of a few shards is cut."""
    monkeypatch.setattr(portions, "PORTION_BYTES", 2**16)
    monkeypatch.setattr(job_cores, "_ALONE_BYTES", 2**16)
    monkeypatch.setattr(job_cores, "ALONE_ARRAYS", 4)


def claimed(root, plan, size=128):
    """A dataset that is ready to be converted."""
    if not (root / "in.zarr").exists():
        write_image(root / "in.zarr", size=size, chunk=32, depth=4)
    made = Conversion(str(root / "in.zarr"), str(root / "out.zarr"), root / "w", plan_settings=plan)
    for step in (made.inspect, made.plan, made.claim):
        step()
    return made


def carried_out(made, cores=1, **settings):
    locations = Locations(made.source, made.output, made.path("claim.json"))
    convert_batches(
        made.in_force().batches, WorkFolder(made.work), locations, Settings(**settings), cores=cores
    )


def found(made):
    """What was recorded, without costs and times."""
    records = {}
    for path in sorted(made.path("records").glob("*.json")):
        record = json.loads(path.read_text())
        for one in (record, *record["items"]):
            for cost in (*COSTS, "objects_sha256", "generation", "fingerprint"):
                one.pop(cost, None)
        records[path.name] = record
        records[f"{path.stem}.digests"] = path.with_suffix(".digests").read_bytes()
    return records


def one_shard(root, plan):
    """A dataset of one array that becomes one object; some of its chunks are absent."""
    values = np.random.default_rng(0).integers(0, 4000, (4, 128, 128), dtype="<u2")
    write_json(root / "in.zarr" / ".zgroup", {"zarr_format": 2})
    write_json(root / "in.zarr" / ".zattrs", {"multiscales": multiscales(1, "zyx")})
    write_array(root / "in.zarr" / "0", values, (1, 32, 32), keep=lambda i: sum(i) % 5 != 3)
    return claimed(root, plan)


JOB = """
import pickle, sys
sys.path[:0] = sys.argv[1:2]
from uplift.running import command  # first of all, as programs do
from uplift.batches import converting, cores, portions
from uplift.batches.context import Locations, Settings
from uplift.batches.records import BatchRun
from uplift.batches.validating import Validation
from uplift.work.folder import WorkFolder
portions.PORTION_BYTES = cores._ALONE_BYTES = 2**16
if __name__ == "__main__":
    batches, work, locations, given, again = pickle.loads(sys.stdin.buffer.read())
    shares, take = [], BatchRun.shares_of
    BatchRun.shares_of = lambda run, result: shares.extend(found := take(run, result)) or found
    work = WorkFolder(work)
    if again:
        settings = Settings(verify="reread")
        with Validation(batches, work, locations, settings, cores=given) as validation:
            validation.validate_again({(i.path, i.start): "" for b in batches for i in b.items})
    else:
        converting.convert_batches(batches, work, locations, Settings(), cores=given)
    print(len(shares))
"""


def job_of(made, script, cores=3, *, again=False):
    locations = Locations(made.source, made.output, None if again else made.path("claim.json"))
    script.write_text(JOB)
    job = subprocess.Popen(
        [sys.executable, str(script), str(SCRIPTS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    job.stdin.write(pickle.dumps((made.in_force().batches, made.work, locations, cores, again)))
    job.stdin.close()
    job.stdin = None
    return job
