"""What earlier runs left that cannot be used, looked for before Snakemake decides what to run."""

from uplift.workflow import damage, start

DAMAGE = {}


@quick
def in_sheet(wildcards):
    """Input function without inputs: refuses what is not in the sheet."""
    SAMPLES[wildcards.dataset]
    return []


@quick
def look_for_damage(wildcards):
    """Input function without inputs, of a rule that every dataset's jobs depend on.

    Called while the jobs are being listed, and before Snakemake decides which of them run: files
    that cannot be used count as forced then, in whatever is to be made, and nothing else does.
    """
    dataset = wildcards.dataset
    start_early()
    # what a killed run left is whole or absent, so it needs no --rerun-incomplete
    workflow.dag_settings.force_incomplete |= not IS_MODULE
    if workflow.is_main_process and dataset not in DAMAGE:
        folder = start.local_output(SAMPLES[dataset])
        DAMAGE[dataset] = list(damage.damage_of(work_of(wildcards), folder))
        for one in DAMAGE[dataset]:
            workflow.dag.forcefiles.update(map(str, one.again))
    return []
