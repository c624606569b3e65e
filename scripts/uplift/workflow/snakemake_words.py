"""Names of rules and messages of Snakemake, by how they begin, and what becomes of them here."""

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
"""Of a dataset none of whose jobs runs."""
INTERRUPTING = "Terminating processes"
"""What Snakemake says after Ctrl-C."""
ENDING = "Will exit after"
"""What it says after SIGTERM, each time it looks at what is left."""
SHOWN = (
    "Creating conda environment",
    "Pulling singularity image",
)
"""What matters, and what people wait for, of Snakemake's messages in a run."""
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
"""Its messages that say nothing about the data; every other warning and error is shown."""


def own_name(rule: str) -> str:
    """Name of a rule without the prefix that ``use rule * from uplift as uplift_*`` gives."""
    return next((step for step in STEPS if rule == step or rule.endswith(f"_{step}")), rule)
