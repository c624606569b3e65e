"""Functions for inputs and params of rules, and the command lines of their programs."""

import functools
import inspect
import shlex

from uplift.models import json_text
from uplift.work.folder import WorkFolder
from uplift.workflow import job, start


def with_signature(function):
    """Store a function's signature, so that Snakemake does not determine it for each job."""
    function.__signature__ = inspect.signature(function)
    return function


def work_of(wildcards):
    """The work files of a dataset, for programs and functions."""
    return WorkFolder(Path(RESULTS, wildcards.dataset))


def in_work_folder(name=""):
    """Param: a work file that is not an input, which is not a reason to run, or which no rule makes."""

    def path(wildcards):
        return str(work_of(wildcards).path / name)

    return path


def from_sheet(column):
    """Param: what the sheet (or the config's defaults) says about the dataset."""

    def value(wildcards):
        return getattr(SAMPLES[wildcards.dataset], column)

    return value


def from_sample(function):
    """Param: the result of a function of the sample and the config."""

    def value(wildcards):
        return function(SAMPLES[wildcards.dataset], CONFIG)

    return value


@with_signature
def supplied_plan(wildcards):
    """The sheet's plan, else ``config/plans/<dataset>.json`` where there is one."""
    return sheet.supplied_plan(SAMPLES[wildcards.dataset]) or []


def source_state(wildcards):
    """Param that changes when the metadata at the root of a local source change."""
    return start.source_state(SAMPLES[wildcards.dataset].input)


def storage_locations(wildcards):
    """Param that changes when the storage settings name other locations."""
    return locations_of(wildcards.dataset)


@functools.cache
def locations_of(dataset):
    """Where a dataset is according to the storage settings; cached, since half of its steps ask."""
    return start.storage_locations(SAMPLES[dataset], STORAGE)


def plan_before_claim(wildcards):
    """Input of claim: a new plan is not a reason to claim, and so to convert everything, again.

    Except where the output or the source is another one: Snakemake does not compare params of jobs after one that
    runs again, and an ancient input alone does not make a job run.
    """
    plan = f"{WORK}/plan.json".format(dataset=wildcards.dataset)
    sample, work = SAMPLES[wildcards.dataset], work_of(wildcards)
    is_another = start.is_claimed_elsewhere(
        work, sample.output
    ) or start.is_made_from_another(work, sample.input)
    return plan if is_another else ancient(plan)


def unless_shown(message):
    """A rule's message, for Snakemake's console only: this workflow's does not use it."""
    return None if console.active() else message


COMMAND = "{params.command}"
"""The same for all rules and versions, so that a new version's programs convert nothing again."""


class NoRerun:
    """Value of an option that changes no byte, so that nothing runs again when it changes."""

    def __init__(self, value):
        self.value = value


def no_rerun(value):
    return NoRerun(value)


PROGRAMS = {}
"""Program of each rule."""


@functools.cache
def inside_a_job():
    """What a cluster's job of several steps needs before the first of them.

    Called when Snakemake lists its jobs: the job server imports while that goes on.
    """
    # one bad dataset must not stop the others; Snakemake does not pass this setting on to its jobs
    workflow.execution_settings.keep_going = True
    steps = {PROGRAMS[one.rulename] for one in workflow.dag_settings.target_jobs}
    if len(workflow.dag_settings.target_jobs) > 1:
        JOBS.start(steps)


def program(step, *states, part=None, **options):
    """Params of a rule: its program's command line, and what Snakemake compares of it.

    Inputs, outputs and options become ``--name value``. Two functions for each job, however many
    options there are: Snakemake looks at each param of each job several times.

    Parameters
    ----------
    states
        Functions of the wildcards whose values are compared, and which are not options.
    part
        Distinguishes the logs of several jobs of a dataset.
    options
        Values, or functions of the wildcards; None leaves an option out.
    """
    PROGRAMS[workflow.modifier.modify_rulename(step)] = step
    file = str(HOME / "scripts" / f"{step}.py")
    log = f"logs/{step}/{part}.log" if part else f"logs/{step}.log"
    given = {name: getattr(one, "value", one) for name, one in options.items()}
    # what is the same for all jobs is written once
    written = {
        name: one if callable(one) else job.options_of({name: one})
        for name, one in given.items()
    }
    compared_options = {
        name: given[name]
        for name, one in sorted(options.items())
        if not isinstance(one, NoRerun)
    }

    def compared(wildcards):
        said = {
            name: one(wildcards) if callable(one) else one
            for name, one in compared_options.items()
        }
        return json_text.canonical_json([*(state(wildcards) for state in states), said])

    # Snakemake does not compare params that ask for the output
    def command(wildcards, input, output, threads):
        # Snakemake writes it three times for each job of a dry run, and our console shows none
        if workflow.dryrun and console.active():
            return ""
        folder = f"{RESULTS}/{wildcards.dataset}" if wildcards else RESULTS
        words = [*job.options_of(input), *job.options_of(output)]
        for name, one in written.items():
            words += job.options_of({name: one(wildcards)}) if callable(one) else one
        if threads > 1:
            words += ["--threads", str(threads)]
        log_name = log.format(**wildcards) if wildcards else f"{step}.log"
        if DEPLOYED:
            begin = ["python", file]
        else:
            if not workflow.is_main_process:
                inside_a_job()
            begin = JOBS.command(file)
        return shlex.join([*begin, job.OPTION, f"{folder}/{log_name}", *words])

    return {"compared": with_signature(compared), "command": with_signature(command)}


def with_manifest(file):
    """A file of rules that make or take check sums, when there is to be a manifest."""
    return {"manifest": file} if CONFIG.manifest else {}


def validate_command(wildcards):
    """What to type to validate a dataset again."""
    work = work_of(wildcards)
    last = work.archive if CONFIG.ozx else work.published
    words = ["snakemake", str(last), "--cores", "all"]
    if Path(workflow.main_snakefile).parent != Path.cwd():
        words += ["-s", str(workflow.main_snakefile), "--directory", str(Path.cwd())]
    if TYPED:
        words += ["--config", *TYPED]
    return shlex.join([*words, "-R", NAMES["validate"]])


def files_for_report():
    """What every run writes when it ends, for `snakemake --report`, which runs nothing."""
    if not any(word.startswith("--report") for word in sys.argv):
        return []
    tables = {"report.html": "Report", "catalog.csv": "Catalog", "costs.csv": "Costs"}
    marked = functools.partial(report, category="Datasets")
    return [
        marked(f"{CONFIG.results}/{name}", labels={"table": title})
        for name, title in tables.items()
        if Path(RESULTS, name).is_file()
    ]
