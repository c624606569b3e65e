"""Unusable files of earlier runs, looked for before Snakemake decides what to run."""

from uplift.workflow import damage, start

DAMAGE = {}


@with_signature
def in_sheet(wildcards):
    """Input function without inputs: refuses datasets that are not in the sheet."""
    SAMPLES[wildcards.dataset]
    return []


@with_signature
def find_damage(wildcards):
    """Input function without inputs, of a rule that every dataset's jobs depend on.

    Called while Snakemake lists the jobs, before it decides which of them run. Files that cannot be
    used are then forced to be made again, whatever the targets are, and no others are.
    """
    dataset = wildcards.dataset
    start_early()
    # files of a killed run are complete or absent, so --rerun-incomplete is not needed
    workflow.dag_settings.force_incomplete |= not IS_MODULE
    if workflow.is_main_process and dataset not in DAMAGE:
        folder = start.local_output(SAMPLES[dataset])
        DAMAGE[dataset] = list(damage.damage_of(work_of(wildcards), folder))
        for one in DAMAGE[dataset]:
            workflow.dag.forcefiles.update(map(str, one.again))
    return []
