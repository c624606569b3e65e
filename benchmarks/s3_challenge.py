"""S3 to local disk: this project against the challenge's tool, from the same public bucket.

All take turns on a Ceph RGW that this program starts, directly and with 20 ms added each way: the
convert step, the whole workflow, and ``ome2024-ngff-challenge resave`` with the chunks and shards
of this project's plan.

    python benchmarks/s3_challenge.py [--rounds 3] [--channels 2] [--tile 256]
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s3_place import ROOT, S3Place, s3_place  # first: it adds the folders to the path

from candidates import CHALLENGE_ENVIRONMENT, METADATA, install_challenge  # isort: skip
from dataset import Size, generate  # isort: skip
from measure import Cost, median, run_measured  # isort: skip

TURNS = ("workflow", "convert", "challenge")


@dataclass(frozen=True)
class Run:
    """One endpoint, and where to write."""

    place: S3Place
    endpoint: str
    scratch: Path

    @property
    def log(self) -> Path:
        """Where the commands' output goes."""
        return self.scratch / "log.txt"

    @property
    def work(self) -> Path:
        """Folder that the workflow runs in."""
        return self.scratch / "workflow"

    def fresh(self, name: str) -> Path:
        """Path of something that does not exist yet."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def workflow(self) -> Cost:
        """Run everything: inspect to publish, every pixel compared."""
        self.fresh("workflow").mkdir()
        values: dict[str, Any] = {
            "input": f"s3://{self.place.bucket}/in.zarr",
            "output": self.fresh("workflow.zarr"),
            "input_endpoint": self.endpoint,
            "input_anon": "true",
            **METADATA,
        }
        command = [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(self.work), "--cores", "2"),
            *("--config", *(f"{key}={value}" for key, value in values.items())),
        ]
        return run_measured(command, self.log)

    def convert(self) -> Cost:
        """Repeat the workflow's convert step, program start included."""
        results = next(self.work.glob("results/*/plan.json")).parent
        output = self.scratch / "workflow.zarr"
        shutil.rmtree(output)
        output.mkdir()
        work = self.scratch / "work"
        shutil.rmtree(work, ignore_errors=True)
        storage = {f"s3://{self.place.bucket}/": {"endpoint_url": self.endpoint, "anon": True}}
        options = {
            "inventory": results / "inventory.json",
            "plan": results / "plan.json",
            "claim": results / "claim.json",
            "dataset": results.name,
            "output": output,
            "work": work,
            "slice": work / "convert" / "1-of-1.json",
            "threads": 2,
            "storage": json.dumps(storage),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, str(ROOT / "scripts/convert.py"), "--quiet", *words]
        return run_measured(command, self.log)

    def challenge(self) -> Cost:
        """Run the other tool."""
        plan = json.loads(next(self.work.glob("results/*/plan.json")).read_text())
        keys = ("shape", "chunks", "shards")
        details = {f"in.zarr/{a['path']}": {key: a[key] for key in keys} for a in plan["arrays"]}
        described = self.scratch / "details.json"
        described.write_text(json.dumps(details))
        command = [
            str(CHALLENGE_ENVIRONMENT / "bin" / "ome2024-ngff-challenge"),
            # Signed: its anonymous access is none that today's tensorstore understands.
            *("resave", "--silent", "--cc-by"),
            f"--input-bucket={self.place.bucket}",
            f"--input-endpoint={self.endpoint}",
            f"--rocrate-organism={METADATA['organism']}",
            f"--rocrate-modality={METADATA['modality']}",
            f"--output-read-details={described}",
            *("in.zarr", str(self.fresh("challenge.zarr"))),
        ]
        return run_measured(command, self.log)


def compare(run: Run, rounds: int) -> dict[str, Any]:
    """Let all take turns; every measurement, medians, and how much slower the other tool is."""
    costs: dict[str, list[Cost]] = {name: [] for name in TURNS}
    for _ in range(rounds):
        for name in TURNS:
            costs[name].append(getattr(run, name)())
    middle = {name: median(found) for name, found in costs.items()}
    other = middle["challenge"].wall
    return {
        "turns": {name: [asdict(cost) for cost in found] for name, found in costs.items()},
        "median": {name: asdict(cost) for name, cost in middle.items()},
        "challenge / ours, wall": {n: other / middle[n].wall for n in ("convert", "workflow")},
    }


def main() -> int:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--channels", type=int, default=2, help="0.14 GB stored each")
    parser.add_argument("--tile", type=int, default=256, help="chunks are tile x tile pixels")
    arguments = parser.parse_args()
    install_challenge()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        generate(scratch / "in.zarr", Size(t=1, c=arguments.channels, tile=arguments.tile))
        with s3_place(scratch / "in.zarr", scratch) as place:
            for name, endpoint in place.endpoints.items():
                home = scratch / name.replace(" ", "-")
                home.mkdir()
                results[name] = compare(Run(place, endpoint, home), arguments.rounds)
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
