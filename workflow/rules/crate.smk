rule crate:
    input:
        claim=f"{WORK}/claim.json",
        inventory=f"{WORK}/inventory.json",
        migration=f"{WORK}/migration.json",
    output:
        crate=f"{WORK}/crate.json",
    log:
        f"{WORK}/logs/crate.log",
    group:
        job_group("crate")
    conda:
        ENVIRONMENT
    resources:
        **job_resources(1000, 5),
    params:
        **program(
            "crate",
            storage_locations,
            run=in_work_folder("run.json"),
            output=from_sheet("output"),
            dataset=from_sheet("dataset"),
            about=from_sample(sheet.about),
            settings=from_sample(sheet.crate_settings),
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown("Writing the RO-Crate of {wildcards.dataset}")
    shell:
        COMMAND
