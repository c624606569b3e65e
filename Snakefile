"""The workflow's main file is workflow/Snakefile; this one is for `snakemake` in this folder."""


include: "workflow/Snakefile"


# Snakemake takes the default target of no included file
workflow.default_target = workflow.modifier.modify_rulename("all")
