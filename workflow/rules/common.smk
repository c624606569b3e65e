"""Config, sample sheet, and the named functions that rules take their inputs and params from."""

import re
import shlex
import sys

from snakemake.common.configfile import load_configfile

sys.path.append(str(Path(workflow.basedir) / "scripts"))

from uplift import config as settings
from uplift import overview, records
from uplift import samples as sheet
from uplift.errors import InputError


def stop(error):
    """End before any job starts: one line for each mistake."""
    for line in str(error).splitlines():
        sys.stderr.write(f"error: {line}\n")
    raise SystemExit(1)


def config_sources():
    """Where each part of the config comes from, the strongest last."""
    files = [*workflow.configfiles, *workflow.config_settings.configfiles]
    typed = workflow.config_settings.config
    return [
        *((str(path), load_configfile(path)) for path in files),
        ("--config", typed),
    ]


try:
    CONFIG = settings.parse_config(
        config, config_sources(), workflow.config_settings.config_args or ()
    )
    SAMPLES = sheet.load_samples(CONFIG)
    if workflow.is_main_process:
        overview.refuse_gone_outputs(SAMPLES, CONFIG.results)
        if not workflow.dryrun:
            overview.forget_unpublished(SAMPLES, CONFIG.results)
except InputError as error:
    stop(error)

STORAGE = sheet.storage_settings(CONFIG)
WORK = CONFIG.results.rstrip("/") + "/{dataset}"


wildcard_constraints:
    dataset="|".join(re.escape(dataset) for dataset in SAMPLES),
    batch=r"[^/]+",


def from_sheet(column):
    """Param: what the sheet (or the config's defaults) says about the dataset."""

    def value(wildcards):
        return getattr(SAMPLES[wildcards.dataset], column)

    return value


def source_state(wildcards):
    """Param that changes when the metadata at the root of a local source do."""
    return overview.source_state(SAMPLES[wildcards.dataset].input)


def plan_settings(wildcards):
    return sheet.plan_settings(SAMPLES[wildcards.dataset], CONFIG)


def supplied_plan(wildcards):
    """The sheet's plan, else ``config/plans/<dataset>.json`` where there is one."""
    return sheet.supplied_plan(SAMPLES[wildcards.dataset]) or []


def crate_sample(wildcards):
    return sheet.crate_sample(SAMPLES[wildcards.dataset])


def work_file(wildcards, name):
    return f"{WORK.format(dataset=wildcards.dataset)}/{name}"


def summary_file(wildcards):
    """The list of batches; asking for it makes Snakemake wait for the split."""
    return f"{checkpoints.split.get(dataset=wildcards.dataset).output.batches}/summary.json"


def batches_of(wildcards):
    """Names of the batches of the plan in force."""
    return records.read_json(Path(summary_file(wildcards)))["batches"]


def batch_file(wildcards):
    checkpoints.split.get(dataset=wildcards.dataset)
    return work_file(wildcards, f"batches/{wildcards.batch}.json")


def batch_files(wildcards):
    return [
        work_file(wildcards, f"batches/{batch}.json") for batch in batches_of(wildcards)
    ]


def record_files(wildcards):
    return [
        work_file(wildcards, f"records/{batch}.json") for batch in batches_of(wildcards)
    ]


def validation_files(wildcards):
    return [
        work_file(wildcards, f"validation/{batch}.json")
        for batch in batches_of(wildcards)
    ]


def validate_command(wildcards):
    """What to type to validate a dataset again."""
    words = ["snakemake", work_file(wildcards, "published.json"), "--cores", "all"]
    if Path(workflow.snakefile).parent != Path.cwd():
        words += ["-s", workflow.snakefile, "--directory", str(Path.cwd())]
    if workflow.config_settings.config_args:
        words += ["--config", *workflow.config_settings.config_args]
    return shlex.join([*words, "-R", "validate_batch"])


def report_datasets():
    """One line for each dataset, on standard error."""
    if workflow.is_main_process:
        for line in overview.summary_lines(SAMPLES, CONFIG.results):
            sys.stderr.write(f"{line}\n")
