"""Slices of a dataset, and the cores, memory, time and groups that its jobs ask for."""

import functools
import tempfile

from uplift.work.folder import WorkFolder
from uplift.workflow import caps, cluster, slices as slicing

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

# The same for all jobs of this computer, which Snakemake would find out for each of them.
TEMPORARY = {}
if not IS_CLUSTER and workflow.resource_settings.default_resources is None:
    TEMPORARY["tmpdir"] = tempfile.gettempdir()


@functools.cache
def count_of(dataset):
    """Slices of a dataset, the same during a run, whose jobs may make a plan meanwhile.

    A job knows it from the slices that it is to make.
    """
    given = {
        spec.wildcards_dict["dataset"]: int(spec.wildcards_dict["K"])
        for spec in workflow.dag_settings.target_jobs
        if spec.rulename == NAMES["convert"]
    }
    work, asked = WorkFolder(Path(RESULTS, dataset)), SAMPLES[dataset].jobs
    return given.get(dataset) or slicing.slice_count(work, asked)


@functools.cache
def groups_of(dataset):
    """Group of each step of a dataset, the same for all of a run."""
    size = slicing.planned_bytes(WorkFolder(Path(RESULTS, dataset)))
    is_sized = size is not None or SAMPLES[dataset].jobs is not None
    return {
        step: cluster.group_of(step, count_of(dataset), is_sized=is_sized, size=size)
        for step in NAMES
    }


def job_group(step):
    """Group of a step's jobs on a cluster: several steps are one job (`cluster`)."""

    def group(wildcards):
        return groups_of(wildcards.dataset)[step] if workflow.is_main_process else None

    return with_signature(group) if IS_CLUSTER else None


@with_signature
def slices(wildcards):
    """Files of all slices of a dataset; how many depends on what earlier runs left, on no job."""
    count = count_of(wildcards.dataset)
    folder = WORK.format(dataset=wildcards.dataset)
    return [
        f"{folder}/convert/{number}-of-{count}.json" for number in range(1, count + 1)
    ]


@with_signature
def cores_of_size(wildcards):
    """Threads of a job. Asked again when it is about to start: by then there is a plan."""
    known = slicing.planned(work_of(wildcards)) or slicing.Planned()
    return min(CONFIG.threads, slicing.cores_for(known.bytes, known.arrays))


@with_signature
def cores_of_listing(wildcards):
    """Threads of a job that knows nothing of its source yet: cores that other datasets do not need.

    On a cluster one: most sources are small, and a job waits for all cores that it asks for.
    """
    cores = 1 if IS_CLUSTER else (workflow.resource_settings.cores or 1)
    return max(1, min(CONFIG.threads, slicing.MOST_LISTING, cores // len(SAMPLES)))


@with_signature
def cores_of_arrays(wildcards):
    """Threads of a job whose work are documents: a second one pays where they are many."""
    known = slicing.planned(work_of(wildcards)) or slicing.Planned()
    return min(CONFIG.threads, 2, slicing.cores_for(0, known.arrays))


def job_resources(base_mb, minutes, per_core_mb=0, passes=0):
    """Resources of a job on a cluster, from its plan: more of both for each further attempt.

    Parameters
    ----------
    base_mb
        Memory in MB in addition to that of the plan, which holds each array of the dataset.
    minutes
        Time in minutes in addition to that for the data.
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
        return {**TEMPORARY, **REQUESTS}
    return {
        "mem_mb": with_signature(mem_mb),
        "runtime": with_signature(runtime),
        **SITE,
        **REQUESTS,
    }
