# Every run makes the report when it ends; `snakemake report` makes it from what there is.
rule report:
    log:
        f"{CONFIG.results}/report.log",
    conda:
        ENVIRONMENT
    resources:
        **({"mem_mb": 4000, "runtime": 120, **SITE} if IS_CLUSTER else {}),
    params:
        **program(
            "report",
            results=REPORT["results"],
            samples=REPORT["samples"],
            previews=REPORT["previews"],
            storage=REPORT["storage"],
            costs=REPORT["costs"],
        ),
    message:
        unless_shown("Reporting on {} datasets".format(len(SAMPLES)))
    shell:
        COMMAND
