rule claim:
    input:
        plan_before_claim,
    output:
        claim=f"{WORK}/claim.json",
    log:
        f"{WORK}/logs/claim.log",
    group:
        together("claim")
    conda:
        ENVIRONMENT
    resources:
        **room(1000, 5),
    params:
        **program(
            "claim",
            storage_places,
            source=uncompared(from_sheet("input")),
            output=from_sheet("output"),
            overwrite=uncompared(CONFIG.overwrite),
            license=uncompared(from_sample(sheet.license_to_check)),
            # no inputs: they are there when they matter, and are no reason to run either
            run=in_work_folder("run.json"),
            published=in_work_folder("published.json"),
            storage=uncompared(STORAGE),
        ),
    message:
        "Claiming the output of {wildcards.dataset}"
    shell:
        COMMAND
