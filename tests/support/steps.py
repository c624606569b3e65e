"""Run the steps one after the other in this process, as the workflow does, without Snakemake."""

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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


def run(step: str, **options: Any) -> None:
    """Run one program; an option's underscores become dashes, None leaves it out."""
    argv = []
    for name, value in options.items():
        if value is not None:
            argv += [f"--{name.replace('_', '-')}", str(value)]
    code = program(step)(argv)
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
    durability: str = "fsync"
    overwrite: str = "false"
    consolidated: str = "false"
    manifest: bool = False
    verify: str = "once"
    standing: bool = False
    """Whether validation may leave out what stands as it was compared."""

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
            overwrite=self.overwrite,
            on_bad_metadata=self.on_bad_metadata,
            storage=self.storage,
        )

    def plan(self, supplied: Path | None = None) -> None:
        run(
            "plan_chunks",
            inventory=self.path("inventory.json"),
            plan=self.path("plan.json"),
            supplied=supplied,
            dataset=self.dataset,
            settings=self.plan_settings,
        )

    def split(self) -> None:
        run(
            "split_batches",
            inventory=self.path("inventory.json"),
            plan=self.path("plan.json"),
            batches=self.path("batches"),
            dataset=self.dataset,
            output=self.output,
            settings=self.batch_settings,
        )

    def claim(self) -> None:
        run(
            "claim_output",
            summary=self.path("batches", "summary.json"),
            run=self.path("run.json"),
            output=self.output,
            claim=self.path("claim.json"),
            published=self.path("published.json"),
            overwrite=self.overwrite,
            storage=self.storage,
        )

    def batches(self) -> list[str]:
        return json.loads(self.path("batches", "summary.json").read_text())["batches"]

    def convert_one(self, batch: str) -> None:
        run(
            "convert_batch",
            batch=self.path("batches", f"{batch}.json"),
            claim=self.path("claim.json"),
            record=self.path("records", f"{batch}.json"),
            journal=self.path("journal", f"{batch}.jsonl"),
            threads=self.threads,
            on_bad_chunk=self.on_bad_chunk,
            durability=self.durability,
            storage=self.storage,
        )

    def convert(self) -> None:
        for batch in self.batches():
            self.convert_one(batch)

    def migrate(self) -> None:
        run(
            "migrate_attributes",
            inventory=self.path("inventory.json"),
            batches=self.path("batches"),
            claim=self.path("claim.json"),
            output=self.output,
            migration=self.path("migration.json"),
            root=self.path("root.zarr.json"),
            consolidated_metadata=self.consolidated,
            storage=self.storage,
        )

    def write_crate(self) -> None:
        run(
            "write_crate",
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

    def validate(self) -> dict[str, Any]:
        for batch in self.batches():
            run(
                "validate_batch",
                batch=self.path("batches", f"{batch}.json"),
                record=self.path("records", f"{batch}.json"),
                migration=self.path("migration.json"),
                root=self.path("root.zarr.json"),
                validation=self.path("validation", f"{batch}.json"),
                digests=self.path("validation", f"{batch}.digests"),
                manifest=self.path("validation", f"{batch}.sha256") if self.manifest else None,
                standing=self.path("validation", f"{batch}.standing") if self.standing else None,
                threads=self.threads,
                storage=self.storage,
            )
        run(
            "validate_output",
            inventory=self.path("inventory.json"),
            batches=self.path("batches"),
            records=self.path("records"),
            validations=self.path("validation"),
            migration=self.path("migration.json"),
            root=self.path("root.zarr.json"),
            crate=self.path("crate.json"),
            dataset=self.dataset,
            validation=self.path("validation.json"),
            manifest=self.path("manifest.sha256") if self.manifest else None,
            verify=self.verify,
            storage=self.storage,
        )
        return json.loads(self.path("validation.json").read_text())

    def publish(self) -> None:
        run(
            "publish_dataset",
            validation=self.path("validation.json"),
            root=self.path("root.zarr.json"),
            claim=self.path("claim.json"),
            run=self.path("run.json"),
            records=self.path("records"),
            batches=self.path("batches"),
            output=self.output,
            published=self.path("published.json"),
            validate_command="snakemake -R validate",
            manifest=self.path("manifest.sha256") if self.manifest else None,
            storage=self.storage,
        )

    def archive(self) -> None:
        run(
            "archive_dataset",
            output=self.output,
            archive=self.path("archive.json"),
            overwrite=self.overwrite,
            storage=self.storage,
        )

    def before_validation(self) -> None:
        """Everything up to what validate looks at."""
        for step in (
            self.inspect,
            self.plan,
            self.split,
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
