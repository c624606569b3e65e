rule archive:
    input:
        published=f"{WORK}/published.json",
    output:
        # says which archive may be replaced
        archive=update(f"{WORK}/archive.json"),
    log:
        f"{WORK}/logs/archive.log",
    group:
        job_group("archive")
    conda:
        ENVIRONMENT
    resources:
        **job_resources(1000, 10, passes=1),
    params:
        **program(
            "archive",
            storage_locations,
            output=from_sheet("output"),
            overwrite=no_rerun(CONFIG.overwrite),
            on_little_space=no_rerun(CONFIG.on_little_space),
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown("Packing {wildcards.dataset} into one file")
    shell:
        COMMAND
