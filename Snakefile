"""ngff-uplift: OME-Zarr 0.1-0.4 datasets become OME-Zarr 0.5, one dataset for each row of a sheet.

inspect_source -> plan -> claim -> convert -> migrate -> crate -> validate -> publish
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


# First of all, before anything is said.
include: "workflow/rules/console.smk"


# The config beside this file holds every default; one in the working folder overrides it.
configfile: Path(workflow.basedir) / "config" / "config.yaml"


if Path("config/config.yaml").is_file():

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/inspect_source.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/claim.smk"
include: "workflow/rules/convert.smk"
include: "workflow/rules/migrate.smk"
include: "workflow/rules/crate.smk"
include: "workflow/rules/validate.smk"
include: "workflow/rules/publish.smk"
include: "workflow/rules/archive.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    plans,
    plan,
    claim,
    publish,
    report,


# Every work file, not the last alone: what a failed job took with it is made again.
rule all:
    default_target: True
    input:
        expand(f"{WORK}/{{name}}", dataset=SAMPLES, name=WORK_FILES),


rule plans:
    input:
        expand(f"{WORK}/plan.json", dataset=SAMPLES),


onstart:
    forget_forced()


onsuccess:
    report_datasets()


onerror:
    report_datasets()
