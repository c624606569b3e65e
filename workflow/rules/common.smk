"""Config, sample sheet, and the named functions that rules take their params from.

Nothing here writes a file: Snakefiles are read for dry runs, too. What is to be written is written
when the first job is about to start.
"""

import re
import shlex
import subprocess
import sys

from snakemake.common.configfile import load_configfile

from uplift.errors import InputError
from uplift.settings import config as settings
from uplift.settings import samples as sheet
from uplift.work.folder import WorkFolder
from uplift.workflow import caps, damage, earlier, faults, job, slices as slicing, start

IS_MODULE = not workflow.modifier.is_main_snakefile()
# another workflow may give the rules other names
NAMES = {
    name: workflow.modifier.modify_rulename(name)
    for name in ("claim", "convert", "validate", "plans")
}


def config_sources():
    """Where each part of the config comes from, the strongest last."""
    if IS_MODULE:
        return [("config of the module", config)]
    files = [*workflow.configfiles, *workflow.config_settings.configfiles]
    typed = workflow.config_settings.config
    return [
        *((str(path), load_configfile(path)) for path in files),
        ("--config", typed),
    ]


TYPED = () if IS_MODULE else tuple(workflow.config_settings.config_args or ())
try:
    CONFIG = settings.parse_config(config, config_sources(), TYPED)
    SAMPLES = start.without_secrets(
        sheet.load_samples(CONFIG, look=workflow.is_main_process)
    )
    STORAGE = sheet.storage_settings(CONFIG)
    WORK = f"{CONFIG.results}/{{dataset}}"
    # where the rules' files are for programs, which know nothing of a module's prefix
    RESULTS = str(Path(workflow.modifier.modify_path(f"{CONFIG.results}/x")).parent)
    EARLIER = earlier.finished_before(SAMPLES, RESULTS)
    if workflow.is_main_process:
        unknown = sheet.unknown_terms(SAMPLES)
        sys.stderr.writelines(f"warning: {line}\n" for line in unknown)
        start.refuse_gone_outputs(SAMPLES, RESULTS, STORAGE)
        if EARLIER:
            sys.stderr.write(f"{earlier.note_on(EARLIER, RESULTS)}\n")
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
            RESULTS,
            lambda name: start.outcome_line(SAMPLES[name], RESULTS),
        )

ENVIRONMENT = HOME / "envs" / "environment.yaml"
ACTIVE = [dataset for dataset in SAMPLES if dataset not in EARLIER]
LIMITS, REQUESTS = caps.resources_of(
    {dataset: (row.input, row.output) for dataset, row in SAMPLES.items()}, STORAGE
)
for name, limit in LIMITS.items():
    workflow.global_resources.setdefault(name, limit)  # --resources goes before
WORK_FILES = ["run.json", "inventory.json", "plan.json", "claim.json"]
WORK_FILES += ["migration.json", "root.zarr.json", "crate.json", "validation.json"]
WORK_FILES += ["published.json"]
WORK_FILES += ["archive.json"] if CONFIG.ozx else []
REPORT = {
    "results": RESULTS,
    "samples": f"{RESULTS}/samples.json",
    "previews": CONFIG.previews,
    "storage": STORAGE,
}


wildcard_constraints:
    dataset="|".join(re.escape(dataset) for dataset in ACTIVE) or "(?!)",
    k=r"[1-9][0-9]*",
    K=r"[1-9][0-9]*",


def work_of(wildcards):
    """The work files of a dataset, for programs and functions."""
    return WorkFolder(Path(RESULTS, wildcards.dataset))


def in_work_folder(name=""):
    """Param: a work file that is no input: it is no reason to run, or no rule makes it."""

    def path(wildcards):
        return str(work_of(wildcards).path / name)

    return path


def from_sheet(column):
    """Param: what the sheet (or the config's defaults) says about the dataset."""

    def value(wildcards):
        return getattr(SAMPLES[wildcards.dataset], column)

    return value


def slices(wildcards):
    """Files of all slices of a dataset; how many depends on what earlier runs left, on no job."""
    count = slicing.slice_count(work_of(wildcards))
    folder = WORK.format(dataset=wildcards.dataset)
    return [f"{folder}/convert/{number}-of-{count}.json" for number in range(1, count + 1)]


def cores_of_size(wildcards):
    """Threads pay for large datasets; small ones rather run side by side.

    Asked again when the job is about to start: by then there is a plan.
    """
    size = slicing.planned_bytes(work_of(wildcards))
    return min(CONFIG.threads, 1 + (size or 0) // 2**26)


def from_sample(function):
    """Param: what a function of the sample and the config makes of them."""

    def value(wildcards):
        return function(SAMPLES[wildcards.dataset], CONFIG)

    return value


def supplied_plan(wildcards):
    """The sheet's plan, else ``config/plans/<dataset>.json`` where there is one."""
    return sheet.supplied_plan(SAMPLES[wildcards.dataset]) or []


DAMAGE = {}


def look_for_damage(wildcards):
    """Input function without inputs, of a rule that every dataset's jobs depend on.

    Called while the jobs are being listed, and before Snakemake decides which of them run: files
    that cannot be used count as forced then, in whatever is to be made, and nothing else does.
    """
    dataset = wildcards.dataset
    if workflow.is_main_process and dataset not in DAMAGE:
        place = start.local_output(SAMPLES[dataset])
        DAMAGE[dataset] = list(damage.damage_of(work_of(wildcards), place))
        for one in DAMAGE[dataset]:
            workflow.dag.forcefiles.update(map(str, one.again))
    return []


def source_state(wildcards):
    """Param that changes when the metadata at the root of a local source do."""
    return start.source_state(SAMPLES[wildcards.dataset].input)


def storage_places(wildcards):
    """Param that changes when the storage settings name other places."""
    return start.storage_places(SAMPLES[wildcards.dataset], STORAGE)


def plan_before_claim(wildcards):
    """Input of claim: a new plan is not a reason to claim, and so to convert everything, again.

    But where the output is another one: Snakemake compares no params behind a job that runs again,
    and an ancient input alone starts nothing.
    """
    plan = f"{WORK}/plan.json".format(dataset=wildcards.dataset)
    output = SAMPLES[wildcards.dataset].output
    return plan if start.is_claimed_elsewhere(work_of(wildcards), output) else ancient(plan)


def uncompared(value):
    """Param that changes no byte: Snakemake does not compare params that ask for the output.

    So nothing runs again when it changes.
    """

    def param(wildcards, output):
        return value(wildcards) if callable(value) else value

    return param


def with_manifest(file):
    """A file of rules that make or take check sums, when there is to be a manifest."""
    return {"manifest": file} if CONFIG.manifest else {}


def validate_command(wildcards):
    """What to type to validate a dataset again."""
    words = ["snakemake", str(work_of(wildcards).published), "--cores", "all"]
    if Path(workflow.main_snakefile).parent != Path.cwd():
        words += ["-s", str(workflow.main_snakefile), "--directory", str(Path.cwd())]
    if TYPED:
        words += ["--config", *TYPED]
    return shlex.join([*words, "-R", NAMES["validate"]])


def before_the_first_job():
    """Write what is to be written before jobs run, and nothing in dry runs."""
    if not workflow.is_main_process or workflow.touch:
        return
    for one in (one for found in DAMAGE.values() for one in found):
        if one.line:
            sys.stderr.write(f"warning: {one.line}\n")
        for path in (one.path, *one.again):
            path.unlink(missing_ok=True)
    asked = workflow.dag_settings
    own = {name: step for step, name in NAMES.items()}
    start.forget_forced(
        ACTIVE,
        RESULTS,
        forceall=asked.forceall,
        forcerun={own.get(name, name) for name in asked.forcerun},
        targets=asked.targets,
    )
    start.note_samples(SAMPLES, RESULTS)
    faults.watch(workflow)


def after_the_last_job():
    """One line for each dataset on standard error, and the report on all of them."""
    if not workflow.is_main_process or workflow.touch:
        return
    shown = console.active()
    if shown is not None:
        shown.conclude()
    else:
        lines = start.summary_lines(SAMPLES, RESULTS)
        sys.stderr.writelines(f"{line}\n" for line in lines)
    options = job.options_of(REPORT)
    program = str(HOME / "scripts" / "report.py")
    subprocess.run([sys.executable, program, "--quiet", *options], check=False)
    sys.stderr.write(f"Report: {RESULTS}/report.html\n")
    if NAMES["plans"] in workflow.dag_settings.targets:
        places = job.options_of({"results": RESULTS, "samples": REPORT["samples"]})
        program = str(HOME / "scripts" / "plans.py")
        subprocess.run([sys.executable, program, "--quiet", *places], check=False)


def chained(first, hook):
    """A hook of the outer workflow, after that of this module."""

    def both(log):
        first()
        return hook(log)

    return both


if IS_MODULE:
    # Snakemake takes no hooks from modules
    workflow._onstart = chained(before_the_first_job, workflow._onstart)
    workflow._onsuccess = chained(after_the_last_job, workflow._onsuccess)
    workflow._onerror = chained(after_the_last_job, workflow._onerror)
