rule claim:
    input:
        plan_before_claim,
    output:
        claim=f"{WORK}/claim.json",
    log:
        f"{WORK}/logs/claim.log",
    group:
        job_group("claim")
    conda:
        ENVIRONMENT
    resources:
        **job_resources(1000, 5),
    params:
        **program(
            "claim",
            storage_locations,
            source=no_rerun(from_sheet("input")),
            output=from_sheet("output"),
            overwrite=no_rerun(CONFIG.overwrite),
            license=no_rerun(from_sample(sheet.license_to_check)),
            # no inputs: they are there when they matter, and are not a reason to run either
            run=in_work_folder("run.json"),
            published=in_work_folder("published.json"),
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown("Claiming the output of {wildcards.dataset}")
    shell:
        COMMAND
