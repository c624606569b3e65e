rule inspect_source:
    input:
        in_sheet,
    output:
        inventory=f"{WORK}/inventory.json",
        # facts of the first run (its id, its day) outlive a second look at the source
        run=update(f"{WORK}/run.json"),
    log:
        f"{WORK}/logs/inspect_source.log",
    group:
        job_group("inspect_source")
    conda:
        ENVIRONMENT
    threads: cores_of_listing
    resources:
        **job_resources(1000, 30),
    params:
        **program(
            "inspect_source",
            storage_locations,
            source_state,
            source=from_sheet("input"),
            output=from_sheet("output"),
            dataset=from_sheet("dataset"),
            target_version=CONFIG.target_version,
            on_bad_metadata=CONFIG.on_bad_metadata,
            litter=CONFIG.litter,
            on_recent_change=no_rerun(CONFIG.on_recent_change),
            license=no_rerun(from_sample(sheet.license_to_check)),
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown("Inspecting the source of {wildcards.dataset}")
    shell:
        COMMAND
