"""Names of rules, and how messages of Snakemake begin that this console shows or hides."""

STEPS = {
    "inspect_source": "inspecting the source",
    "plan": "planning",
    "claim": "claiming the output",
    "convert": "converting",
    "migrate": "migrating metadata",
    "crate": "writing the crate",
    "validate": "validating",
    "publish": "publishing",
    "archive": "packing into one file",
}
QUEUED = "waiting in SLURM's queue"
"""Shown for a dataset none of whose jobs runs."""
INTERRUPTING = "Terminating processes"
"""Snakemake's message after Ctrl-C."""
ENDING = "Will exit after"
"""Its message after SIGTERM, each time it checks for remaining jobs."""
SHOWN = (
    "Creating conda environment",
    "Pulling singularity image",
)
"""Snakemake's messages in a run that matter, or that users wait for."""
HIDDEN = (
    "Cannot restore",
    "Restored previous version",  # of a plan.json, when the plan step failed
    "localrules directive specifies rules",
    "Config file ",
    "Assuming unrestricted shared filesystem",
    "Multiple includes of",
    "Building DAG of jobs",
    "Missing metadata for file",  # of --report: a dataset that is not finished, which the page says
    # an account is guessed where none is given, which is not worth a line
    "No SLURM account given",
    "No account was given",
    "Unable to guess SLURM account",
    "--keep-incomplete mode is set",  # which is set here, on clusters
)
"""Its messages that are not about the data; every other warning and error is shown."""


def own_name(rule: str) -> str:
    """Name of a rule without the prefix that ``use rule * from uplift as uplift_*`` gives."""
    return next((step for step in STEPS if rule == step or rule.endswith(f"_{step}")), rule)
