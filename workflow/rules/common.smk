"""Config, sample sheet, and the named functions that rules take their params from."""

import re
import shlex
import subprocess
import sys

from snakemake.common.configfile import load_configfile

sys.path.append(str(Path(workflow.basedir) / "scripts"))

from uplift.settings import config as settings
from uplift.workflow import caps, job, slices as slicing, start
from uplift.work.folder import WorkFolder
from uplift.settings import samples as sheet
from uplift.errors import InputError


def config_sources():
    """Where each part of the config comes from, the strongest last."""
    files = [*workflow.configfiles, *workflow.config_settings.configfiles]
    typed = workflow.config_settings.config
    return [
        *((str(path), load_configfile(path)) for path in files),
        ("--config", typed),
    ]


TYPED = tuple(workflow.config_settings.config_args or ())
try:
    CONFIG = settings.parse_config(config, config_sources(), TYPED)
    SAMPLES = start.without_secrets(
        sheet.load_samples(CONFIG, look=workflow.is_main_process)
    )
    if workflow.is_main_process:
        unknown = sheet.unknown_terms(SAMPLES)
        sys.stderr.writelines(f"warning: {line}\n" for line in unknown)
        start.refuse_gone_outputs(
            SAMPLES, CONFIG.results, sheet.storage_settings(CONFIG)
        )
        if not workflow.dryrun:
            dropped = start.drop_damaged(SAMPLES, CONFIG.results)
            sys.stderr.writelines(f"warning: {line}\n" for line in dropped)
            start.forget_unpublished(SAMPLES, CONFIG.results)
            start.note_samples(SAMPLES, CONFIG.results)
except InputError as error:
    # one line for each mistake, before any job starts
    sys.stderr.writelines(f"error: {line}\n" for line in str(error).splitlines())
    raise SystemExit(1)

if console.active() is not None:
    if CONFIG.console == "snakemake":
        console.active().restore()
    else:
        console.active().configure(
            SAMPLES,
            CONFIG.results,
            lambda name: start.outcome_line(SAMPLES[name], CONFIG.results),
        )

ENVIRONMENT = Path(workflow.basedir) / "envs" / "environment.yaml"
STORAGE = sheet.storage_settings(CONFIG)
LIMITS, REQUESTS = caps.resources_of(
    {dataset: (row.input, row.output) for dataset, row in SAMPLES.items()}, STORAGE
)
for name, limit in LIMITS.items():
    workflow.global_resources.setdefault(name, limit)  # --resources goes before
WORK = str(Path(CONFIG.results, "{dataset}"))
WORK_FILES = ["run.json", "inventory.json", "plan.json", "claim.json"]
WORK_FILES += ["migration.json", "root.zarr.json", "crate.json", "validation.json"]
WORK_FILES += ["published.json"]
WORK_FILES += ["archive.json"] if CONFIG.ozx else []
REPORT = {
    "results": CONFIG.results,
    "samples": f"{CONFIG.results}/samples.json",
    "previews": CONFIG.previews,
    "storage": STORAGE,
}


wildcard_constraints:
    dataset="|".join(re.escape(dataset) for dataset in SAMPLES),
    k=r"[1-9][0-9]*",
    K=r"[1-9][0-9]*",


def from_sheet(column):
    """Param: what the sheet (or the config's defaults) says about the dataset."""

    def value(wildcards):
        return getattr(SAMPLES[wildcards.dataset], column)

    return value


def slices(wildcards):
    """Files of all slices of a dataset; how many depends on what earlier runs left, on no job."""
    work = WorkFolder(Path(WORK.format(dataset=wildcards.dataset)))
    count = slicing.slice_count(work)
    return [str(work.slice(number, count)) for number in range(1, count + 1)]


def cores_of_size(wildcards):
    """Threads pay for large datasets; small ones rather run side by side.

    Asked again when the job is about to start: by then there is a plan.
    """
    work = WorkFolder(Path(WORK.format(dataset=wildcards.dataset)))
    size = slicing.planned_bytes(work)
    return min(CONFIG.threads, 1 + (size or 0) // 2**26)


def from_sample(function):
    """Param: what a function of the sample and the config makes of them."""

    def value(wildcards):
        return function(SAMPLES[wildcards.dataset], CONFIG)

    return value


def supplied_plan(wildcards):
    """The sheet's plan, else ``config/plans/<dataset>.json`` where there is one."""
    return sheet.supplied_plan(SAMPLES[wildcards.dataset]) or []


def source_state(wildcards):
    """Param that changes when the metadata at the root of a local source do."""
    return start.source_state(SAMPLES[wildcards.dataset].input)


def storage_places(wildcards):
    """Param that changes when the storage settings name other places."""
    return start.storage_places(SAMPLES[wildcards.dataset], STORAGE)


def uncompared(value):
    """Param that changes no byte: Snakemake does not compare params that ask for the output.

    So nothing runs again when it changes.
    """

    def param(wildcards, output):
        return value

    return param


def uncompared_from_sheet(column):
    """What the sheet says, not compared either."""

    def param(wildcards, output):
        return getattr(SAMPLES[wildcards.dataset], column)

    return param


def with_manifest(file):
    """A file of rules that make or take check sums, when there is to be a manifest."""
    return {"manifest": file} if CONFIG.manifest else {}


def validate_command(wildcards, output):
    """What to type to validate a dataset again; not compared either."""
    words = ["snakemake", f"{WORK.format(dataset=wildcards.dataset)}/published.json", "--cores", "all"]
    if Path(workflow.main_snakefile).parent != Path.cwd():
        words += ["-s", str(workflow.main_snakefile), "--directory", str(Path.cwd())]
    if TYPED:
        words += ["--config", *TYPED]
    return shlex.join([*words, "-R", "validate"])


def forget_forced():
    """Nothing is skipped of what -F or -R wants done again."""
    asked = workflow.dag_settings
    if workflow.is_main_process:
        start.forget_forced(
            SAMPLES,
            CONFIG.results,
            forceall=asked.forceall,
            forcerun=asked.forcerun,
            targets=asked.targets,
        )


def report_datasets():
    """One line for each dataset on standard error, and the report on all of them."""
    if workflow.is_main_process:
        start.forget_unpublished(SAMPLES, CONFIG.results)
        shown = console.active()
        if shown is not None:
            shown.conclude()
        else:
            lines = start.summary_lines(SAMPLES, CONFIG.results)
            sys.stderr.writelines(f"{line}\n" for line in lines)
        program = Path(workflow.basedir) / "scripts" / "report.py"
        options = job.options_of(REPORT)
        subprocess.run([sys.executable, str(program), "--quiet", *options], check=False)
        sys.stderr.write(f"Report: {CONFIG.results}/report.html\n")
        if "plans" in workflow.dag_settings.targets:
            program = Path(workflow.basedir) / "scripts" / "plans.py"
            places = ["--results", REPORT["results"], "--samples", REPORT["samples"]]
            subprocess.run([sys.executable, str(program), "--quiet", *places], check=False)
