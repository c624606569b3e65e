"""Config, sample sheet, and the named functions that rules take their params from.

Nothing here writes a file: Snakefiles are read for dry runs, too. What is to be written is written
when the first job is about to start.
"""

import atexit
import functools
import inspect
import re
import shlex
import subprocess
import sys

from snakemake.common.configfile import load_configfile

from uplift.errors import InputError
from uplift.models import json_text
from uplift.settings import config as settings
from uplift.settings import samples as sheet
from uplift.settings.places import closed_to_the_group
from uplift.work.folder import WorkFolder
from uplift.workflow import (
    caps,
    cluster,
    damage,
    earlier,
    faults,
    job,
    job_server,
    rounds,
    slices as slicing,
    slurm_plugin,
    space,
    start,
)

JOBS = job_server.JobServer()
IS_MODULE = not workflow.modifier.is_main_snakefile()
# another workflow may give the rules other names
NAMES = {
    name: workflow.modifier.modify_rulename(name)
    for name in (
        *("inspect_source", "plan", "claim", "convert", "migrate", "crate"),
        *("validate", "publish", "archive", "plans", "report"),
    )
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
        outputs = [sample.output for sample in SAMPLES.values()]
        doubts = [*sheet.unknown_terms(SAMPLES), *closed_to_the_group(outputs)]
        sys.stderr.writelines(f"warning: {line}\n" for line in doubts)
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
            lambda name: start.outcome(SAMPLES[name], RESULTS),
        )

ENVIRONMENT = HOME / "envs" / "environment.yaml"
DEPLOYMENT = workflow.deployment_settings
DEPLOYED = {method.item_to_choice() for method in DEPLOYMENT.deployment_method}
if CONFIG.container is None:
    DEPLOYED.discard("apptainer")
elif "apptainer" in DEPLOYED:
    # the programs of this folder, with the libraries of the image
    DEPLOYMENT.apptainer_args += f" --bind {shlex.quote(str(HOME))}"
ACTIVE = [dataset for dataset in SAMPLES if dataset not in EARLIER]
LIMITS, REQUESTS = caps.resources_of(
    {dataset: (row.input, row.output) for dataset, row in SAMPLES.items()}, STORAGE
)
for name, limit in LIMITS.items():
    workflow.global_resources.setdefault(name, limit)  # --resources goes before
IS_CLUSTER = workflow.resource_settings.nodes is not None
if IS_CLUSTER and workflow.is_main_process:
    NODES = cluster.nodes_of(CONFIG.slurm.partition)
    CORES = NODES.cores if NODES else None
else:
    NODES, CORES = None, None if workflow.is_main_process else cluster.allotted_cores()
if CORES is not None:
    # jobs of a group run side by side in as many cores, and no job has more threads
    workflow.global_resources["_cores"] = CORES
SITE = {
    resource: value
    for resource, value in (
        ("slurm_partition", CONFIG.slurm.partition),
        ("slurm_account", CONFIG.slurm.account),
        ("qos", CONFIG.slurm.qos),
    )
    if value is not None
}
LAST = "archive.json" if CONFIG.ozx else "published.json"
REPORT = {
    "results": RESULTS,
    "samples": f"{RESULTS}/samples.json",
    "previews": CONFIG.previews,
    "storage": STORAGE,
    "costs": CONFIG.costs.to_json(),
}


wildcard_constraints:
    dataset="|".join(re.escape(dataset) for dataset in ACTIVE) or "(?!)",
    k=r"[1-9][0-9]*",
    K=r"[1-9][0-9]*",


def quick(function):
    """A function of a job, whose signature Snakemake need not find out for each job again."""
    function.__signature__ = inspect.signature(function)
    return function


def work_of(wildcards):
    """The work files of a dataset, for programs and functions."""
    return WorkFolder(Path(RESULTS, wildcards.dataset))


def in_work_folder(name=""):
    """Param: a work file that is not an input: it is no reason to run, or no rule makes it."""

    def path(wildcards):
        return str(work_of(wildcards).path / name)

    return path


def from_sheet(column):
    """Param: what the sheet (or the config's defaults) says about the dataset."""

    def value(wildcards):
        return getattr(SAMPLES[wildcards.dataset], column)

    return value


@functools.cache
def count_of(dataset):
    """Slices of a dataset, the same for all of a run, whose jobs may make a plan meanwhile.

    A job is told by the slices that it is to make.
    """
    told = {
        spec.wildcards_dict["dataset"]: int(spec.wildcards_dict["K"])
        for spec in workflow.dag_settings.target_jobs
        if spec.rulename == NAMES["convert"]
    }
    work, asked = WorkFolder(Path(RESULTS, dataset)), SAMPLES[dataset].jobs
    return told.get(dataset) or slicing.slice_count(work, asked)


@functools.cache
def groups_of(dataset):
    """Group of each step of a dataset, the same for all of a run."""
    size = slicing.planned_bytes(WorkFolder(Path(RESULTS, dataset)))
    is_sized = size is not None or SAMPLES[dataset].jobs is not None
    return {
        step: cluster.group_of(step, count_of(dataset), is_sized=is_sized, size=size)
        for step in NAMES
    }


def together(step):
    """Group of a step's jobs on a cluster: several steps are one job (`cluster`)."""

    def group(wildcards):
        return groups_of(wildcards.dataset)[step] if workflow.is_main_process else None

    return quick(group) if IS_CLUSTER else None


@quick
def slices(wildcards):
    """Files of all slices of a dataset; how many depends on what earlier runs left, on no job."""
    count = count_of(wildcards.dataset)
    folder = WORK.format(dataset=wildcards.dataset)
    return [
        f"{folder}/convert/{number}-of-{count}.json" for number in range(1, count + 1)
    ]


@quick
def cores_of_size(wildcards):
    """Threads of a job. Asked again when it is about to start: by then there is a plan."""
    size = slicing.planned_bytes(work_of(wildcards))
    return min(CONFIG.threads, slicing.cores_for(size or 0))


def room(base_mb, minutes, per_core_mb=0, passes=0):
    """Resources of a job on a cluster, from its plan: more of both for each further attempt.

    Parameters
    ----------
    base_mb
        Memory in MB besides that of the plan, which holds each array of the dataset.
    minutes
        Time in minutes besides that for the data.
    per_core_mb
        Least memory in MB of each core that the job uses.
    passes
        How often the job goes through its share of the stored bytes.
    """

    def mem_mb(wildcards, threads, attempt):
        work = work_of(wildcards)
        known = slicing.planned(work) or slicing.Planned()
        core_mb = max(per_core_mb, known.core_mib * 5 // 4) if per_core_mb else 0
        plan_mb = 40 * slicing.plan_size(work) // 2**20
        asked = (base_mb + plan_mb + core_mb * threads) * 2 ** (attempt - 1)
        # more than any node has would never start
        return min(asked, NODES.memory_mb) if NODES else asked

    # 5 MB/s of stored bytes is what a slow disk or a busy store allows, and twice the CPU time a
    # slow node
    def runtime(wildcards, threads, attempt):
        work = work_of(wildcards)
        known = slicing.planned(work) or slicing.Planned()
        for_data = max(known.bytes / 5e6, 2 * known.cpu_seconds / threads) / 60
        shares = passes / count_of(wildcards.dataset)
        listed = known.objects // 100_000 + slicing.plan_size(work) // 2**20
        return (minutes + listed + int(shares * for_data)) * attempt

    # Snakemake looks at each resource of each job many times, and nothing else asks for these
    if not IS_CLUSTER:
        return REQUESTS
    return {"mem_mb": quick(mem_mb), "runtime": quick(runtime), **SITE, **REQUESTS}


def from_sample(function):
    """Param: what a function of the sample and the config makes of them."""

    def value(wildcards):
        return function(SAMPLES[wildcards.dataset], CONFIG)

    return value


@quick
def supplied_plan(wildcards):
    """The sheet's plan, else ``config/plans/<dataset>.json`` where there is one."""
    return sheet.supplied_plan(SAMPLES[wildcards.dataset]) or []


DAMAGE = {}


@quick
def look_for_damage(wildcards):
    """Input function without inputs, of a rule that every dataset's jobs depend on.

    Called while the jobs are being listed, and before Snakemake decides which of them run: files
    that cannot be used count as forced then, in whatever is to be made, and nothing else does.
    """
    dataset = wildcards.dataset
    # what a killed run left is whole or absent, so it needs no --rerun-incomplete
    workflow.dag_settings.force_incomplete |= not IS_MODULE
    if workflow.is_main_process and dataset not in DAMAGE:
        place = start.local_output(SAMPLES[dataset])
        DAMAGE[dataset] = list(damage.damage_of(work_of(wildcards), place))
        for one in DAMAGE[dataset]:
            workflow.dag.forcefiles.update(map(str, one.again))
    return []


@functools.cache
def inside_a_job():
    """What a cluster's job of several steps needs before the first of them.

    Called when Snakemake lists its jobs: the job server imports while that goes on.
    """
    # one bad dataset stops none of the others, which Snakemake does not hand on to its jobs
    workflow.execution_settings.keep_going = True
    steps = {PROGRAMS[one.rulename] for one in workflow.dag_settings.target_jobs}
    if len(workflow.dag_settings.target_jobs) > 1:
        JOBS.start(steps)
        atexit.register(JOBS.stop)


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
    return (
        plan
        if start.is_claimed_elsewhere(work_of(wildcards), output)
        else ancient(plan)
    )


COMMAND = "{params.command}"
"""The same for all rules and versions: a new version's programs convert nothing again."""


class Uncompared:
    """Value of an option that changes no byte: nothing runs again when it changes."""

    def __init__(self, value):
        self.value = value


def uncompared(value):
    return Uncompared(value)


PROGRAMS = {}
"""Of rules."""


def program(step, *states, part=None, **options):
    """Params of a rule: its program's command line, and what Snakemake compares of it.

    Inputs, outputs and options become ``--name value``. Two functions for each job, however many
    options there are: Snakemake looks at each param of each job several times.

    Parameters
    ----------
    states
        Functions of the wildcards whose values are compared, and no options.
    part
        What tells logs of several jobs of a dataset apart.
    options
        Values, or functions of the wildcards; None leaves an option out.
    """
    PROGRAMS[workflow.modifier.modify_rulename(step)] = step
    file = str(HOME / "scripts" / f"{step}.py")
    log = f"logs/{step}/{part}.log" if part else f"logs/{step}.log"
    given = {name: getattr(one, "value", one) for name, one in options.items()}
    is_compared = {
        name for name, one in options.items() if not isinstance(one, Uncompared)
    }

    def values(wildcards, names):
        found = {name: given[name] for name in names}
        return {
            name: one(wildcards) if callable(one) else one
            for name, one in found.items()
        }

    def compared(wildcards):
        said = values(wildcards, sorted(is_compared))
        return json_text.canonical_json([*(state(wildcards) for state in states), said])

    # Snakemake does not compare params that ask for the output
    def command(wildcards, input, output, threads):
        folder = Path(RESULTS, wildcards.get("dataset", ""))
        words = [*job.options_of(input), *job.options_of(output)]
        words += job.options_of(values(wildcards, given))
        if threads > 1:
            words += ["--threads", str(threads)]
        place = (
            folder / log.format(**wildcards) if wildcards else folder / f"{step}.log"
        )
        if DEPLOYED:
            begin = ["python", file]
        else:
            if not workflow.is_main_process:
                inside_a_job()
            begin = JOBS.command(file)
        return shlex.join([*begin, job.OPTION, str(place), *words])

    return {"compared": quick(compared), "command": quick(command)}


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
