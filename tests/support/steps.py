"""Run the steps one after the other in this process, as the workflow does, without Snakemake."""

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from uplift.models.inventory import Inventory
from uplift.planning.batching import BatchSettings
from uplift.planning.in_force import InForce, plan_in_force
from uplift.work import json_files

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


class StepError(Exception):
    """A program ended with another exit code than 0."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(f"{step} ended with exit code {code}")
        self.step, self.code = step, code


@cache
def program(name: str):
    """Load the `main` of ``scripts/<name>.py``."""
    spec = importlib.util.spec_from_file_location(f"program_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def words_of(options: dict[str, Any]) -> list[str]:
    """Options of a program; underscores become dashes, None leaves one out."""
    given = {name: value for name, value in options.items() if value is not None}
    words: list[str] = []
    for name, value in given.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def run(step: str, **options: Any) -> None:
    """Run one program."""
    code = program(step)(words_of(options))
    if code != 0:
        raise StepError(step, code)


@dataclass
class Conversion:
    """One dataset on its way; every step may be called alone, and again."""

    source: str
    output: str
    work: Path
    dataset: str = "d"
    storage: str = "{}"
    plan_settings: str = "{}"
    batch_settings: str = "{}"
    about: str = (
        '{"license": "CC-BY-4.0", "organism": "NCBI:txid9606", "modality": "obo:FBbi_00000369",'
        ' "date_published": "2026-01-02"}'
    )
    crate: str = '{"enabled": true}'
    threads: int = 2
    on_bad_chunk: str = "fail"
    on_bad_metadata: str = "keep"
    litter: str = "drop"
    on_recent_change: str = "warn"
    on_little_space: str = "fail"
    spatialdata: str | None = None
    durability: str = "fsync"
    overwrite: str = "false"
    consolidated: str = "false"
    manifest: bool = False
    verify: str = "once"
    slices: int = 1
    again: bool = False
    """Whether all is validated again, as ``snakemake -R validate`` does."""
    digest_limit_mib: int = 4096

    def path(self, *parts: str) -> Path:
        return self.work.joinpath(*parts)

    def inspect(self) -> None:
        run(
            "inspect_source",
            source=self.source,
            output=self.output,
            dataset=self.dataset,
            inventory=self.path("inventory.json"),
            run=self.path("run.json"),
            on_bad_metadata=self.on_bad_metadata,
            litter=self.litter,
            on_recent_change=self.on_recent_change,
            storage=self.storage,
        )

    def plan(self, supplied: Path | None = None) -> None:
        run(
            "plan",
            inventory=self.path("inventory.json"),
            plan=self.path("plan.json"),
            supplied=supplied,
            dataset=self.dataset,
            settings=self.plan_settings,
            unsupported=json.loads(self.batch_settings).get("unsupported", "fail"),
        )

    def claim(self) -> None:
        run(
            "claim",
            source=self.source,
            run=self.path("run.json"),
            output=self.output,
            claim=self.path("claim.json"),
            published=self.path("published.json"),
            overwrite=self.overwrite,
            storage=self.storage,
        )

    def _in_force(self) -> dict[str, Any]:
        """Options that say what the plan in force is."""
        return {
            "inventory": self.path("inventory.json"),
            "plan": self.path("plan.json"),
            "dataset": self.dataset,
            "output": self.output,
            **json.loads(self.batch_settings),
        }

    def in_force(self) -> InForce:
        return plan_in_force(
            json_files.read_model(self.path("inventory.json"), Inventory),
            json_files.read_json(self.path("plan.json")),
            BatchSettings.parse(json.loads(self.batch_settings), "test"),
            dataset=self.dataset,
            output=self.output,
        )

    def batches(self) -> list[str]:
        return [batch.batch for batch in self.in_force().batches]

    def slice_files(self) -> list[str]:
        return [str(self.path("convert", f"{k}-of-{self.slices}.json")) for k in self.numbers()]

    def numbers(self) -> range:
        return range(1, self.slices + 1)

    def convert_options(self, number: int) -> dict[str, Any]:
        return {
            **self._in_force(),
            "claim": self.path("claim.json"),
            "work": self.work,
            "slice": self.path("convert", f"{number}-of-{self.slices}.json"),
            "threads": self.threads,
            "on_bad_chunk": self.on_bad_chunk,
            "on_little_space": self.on_little_space,
            "durability": self.durability,
            "verify": self.verify,
            "manifest": "true" if self.manifest else "false",
            "storage": self.storage,
        }

    def convert_slice(self, number: int) -> None:
        run("convert", **self.convert_options(number))

    def convert(self) -> None:
        for number in self.numbers():
            self.convert_slice(number)

    def migrate(self) -> None:
        run(
            "migrate",
            **self._in_force(),
            claim=self.path("claim.json"),
            slices=json.dumps(self.slice_files()),
            migration=self.path("migration.json"),
            root=self.path("root.zarr.json"),
            consolidated_metadata=self.consolidated,
            spatialdata=self.spatialdata,
            storage=self.storage,
        )

    def write_crate(self) -> None:
        run(
            "crate",
            inventory=self.path("inventory.json"),
            migration=self.path("migration.json"),
            run=self.path("run.json"),
            claim=self.path("claim.json"),
            output=self.output,
            crate=self.path("crate.json"),
            dataset=self.dataset,
            about=self.about,
            settings=self.crate,
            storage=self.storage,
        )

    def validate_options(self) -> dict[str, Any]:
        return {
            **self._in_force(),
            "slices": json.dumps(self.slice_files()),
            "work": self.work,
            "migration": self.path("migration.json"),
            "root": self.path("root.zarr.json"),
            "crate": self.path("crate.json"),
            "verify": self.verify,
            "digest_limit_mib": self.digest_limit_mib,
            "validation": self.path("validation.json"),
            "manifest": self.path("manifest.sha256") if self.manifest else None,
            "threads": self.threads,
            "storage": self.storage,
        }

    def validate(self) -> dict[str, Any]:
        """Validate; what stands as it was validated is left out unless `again` says otherwise."""
        for digests in self.work.glob("records/*.digests") if self.again else []:
            digests.unlink()
        run("validate", **self.validate_options())
        return json.loads(self.path("validation.json").read_text())

    def publish(self) -> None:
        run(
            "publish",
            validation=self.path("validation.json"),
            root=self.path("root.zarr.json"),
            claim=self.path("claim.json"),
            run=self.path("run.json"),
            records=self.path("records"),
            slices=json.dumps(self.slice_files()),
            output=self.output,
            published=self.path("published.json"),
            validate_command="snakemake -R validate",
            manifest=self.path("manifest.sha256") if self.manifest else None,
            storage=self.storage,
        )

    def archive(self) -> None:
        run(
            "archive",
            output=self.output,
            archive=self.path("archive.json"),
            overwrite=self.overwrite,
            on_little_space=self.on_little_space,
            storage=self.storage,
        )

    def before_validation(self) -> None:
        """Everything up to what validate looks at."""
        for step in (
            self.inspect,
            self.plan,
            self.claim,
            self.convert,
            self.migrate,
            self.write_crate,
        ):
            step()

    def all(self) -> dict[str, Any]:
        """Convert, validate and publish; the verdict's file."""
        self.before_validation()
        validation = self.validate()
        self.publish()
        return validation
