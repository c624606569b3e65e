"""An output that tests claim, hold and publish."""

import hashlib
import json
from pathlib import Path

from uplift.claim import claim_output
from uplift.models.findings import Finding
from uplift.models.publication import Claim, Cost
from uplift.models.validation import Validation
from uplift.outputs import LOCK_KEY, HeldOutput
from uplift.publish import publish_dataset

ROOT = b'{"zarr_format": 3}\n'
COST = Cost(
    jobs=1,
    chunks_read=1,
    bytes_read=2,
    objects_written=1,
    bytes_written=2,
    wall_seconds=0.1,
    cpu_seconds=0.1,
    peak_memory_bytes=3,
)

OURS = (".uplift-tmp.0123456789ab.7.zarr.json", "0/c/.uplift-tmp.fedcba987654.12.1")
NOT_OURS = (
    ".uplift-tmp.txt",
    "0/.uplift-tmp.1.2.notes",
    "0/c/.uplift-tmp.0123456789ab.x.1",
    "0/c/.uplift-tmp.0123456789AB.1.1",
    "0/c/.uplift-tmp.0123456789ab.1",
    "0/c/my.uplift-tmp.0123456789ab.1.1",
    ".uplift-tmp.0123456789ab.1.folder/x",
)


def claim(output, run_id, *, folder=None, **options):
    if folder is None:
        folder = Path(output.root).parent / f"work of {run_id}"
        folder.mkdir(exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"run_id": run_id}))
    return claim_output(output.url, {}, run_id, folder, **options)


def hold(output, claimed):
    """The output as a job of the run gets it; not opened again, so that a test can watch it."""
    return HeldOutput(output, claimed, Path(output.root).parent / f"work of {claimed.run_id}")


def release(output, run_id):
    hold(output, Claim(run_id=run_id, output=output.url, generation="g")).release()


def verdict(*findings, root=ROOT):
    errors = [f for f in findings if f.severity == "error"]
    return Validation(
        dataset="d",
        verdict="invalid" if errors else "valid",
        findings=findings,
        arrays=(),
        groups=1,
        files=0,
        objects=3,
        bytes=4,
        root_sha256=hashlib.sha256(root).hexdigest(),
    )


def finding(code, severity="error"):
    return Finding(code=code, severity=severity, path="0", message="not so")


def publish_now(output, claimed, *findings, root=ROOT, **more):
    return publish_dataset(
        hold(output, claimed),
        root,
        verdict(*findings),
        COST,
        validate_command="snakemake -R validate",
        **more,
    )


def changed_lock(output, **changes):
    output.put(LOCK_KEY, json.dumps(json.loads(output.get(LOCK_KEY)) | changes).encode())
