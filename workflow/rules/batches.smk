"""Input functions that wait for the one checkpoint, the split into batches."""

from functools import lru_cache
from types import SimpleNamespace


def work_file(wildcards, name):
    return f"{WORK.format(dataset=wildcards.dataset)}/{name}"


def summary_file(wildcards):
    """The list of batches of the plan in force."""
    return f"{checkpoints.split.get(dataset=wildcards.dataset).output.batches}/summary.json"


def batches_of(wildcards):
    return summary_of(wildcards)["batches"]


def summary_of(wildcards):
    """What split wrote; read once, not for each of a plan's thousands of jobs."""
    file = Path(summary_file(wildcards))
    return read_summary(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def read_summary(file, changed):
    return json_files.read_json(file)


def convert_cores(wildcards):
    """Packing waits for the disk or the network: its threads keep one core busy at most."""
    return (
        batch_cores(wildcards) if summary_of(wildcards)["methods"].get("recode") else 1
    )


def batch_cores(wildcards):
    """Threads pay for large batches; small ones rather run side by side."""
    summary = summary_of(wildcards)
    mib = summary["before"]["bytes"] / 2**20 / max(1, len(summary["batches"]))
    return min(CONFIG.threads, 1 + int(mib // 64))


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
        work_file(wildcards, f"validation/{batch}.{kind}")
        for batch in batches_of(wildcards)
        for kind in ("json", "digests")
    ]


def manifest_files(wildcards):
    """Check sums that the batches made, when there is to be a manifest."""
    return [
        work_file(wildcards, f"validation/{batch}.sha256")
        for batch in (batches_of(wildcards) if CONFIG.manifest else [])
    ]


def files_of_batches(dataset):
    """Input function of `all`: what the jobs of one dataset leave."""

    def files(wildcards):
        job = SimpleNamespace(dataset=dataset)
        return record_files(job) + validation_files(job)

    return files
