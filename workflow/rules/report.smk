def files_for_report():
    """What every run writes when it ends, for `snakemake --report`, which runs nothing."""
    if not any(word.startswith("--report") for word in sys.argv):
        return []
    tables = {"report.html": "Report", "catalog.csv": "Catalog", "costs.csv": "Costs"}
    marked = functools.partial(report, category="Datasets")
    return [
        marked(f"{CONFIG.results}/{name}", labels={"table": title})
        for name, title in tables.items()
        if Path(RESULTS, name).is_file()
    ]


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
        "Reporting on {} datasets".format(len(SAMPLES))
    shell:
        COMMAND
