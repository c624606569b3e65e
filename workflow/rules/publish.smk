rule publish:
    input:
        **with_manifest(f"{WORK}/manifest.sha256"),
        slices=slices,
        validation=f"{WORK}/validation.json",
        root=f"{WORK}/root.zarr.json",
        claim=f"{WORK}/claim.json",
    output:
        published=f"{WORK}/published.json",
    log:
        f"{WORK}/logs/publish.log",
    group:
        job_group("publish")
    conda:
        ENVIRONMENT
    resources:
        **job_resources(1000, 5),
    params:
        **program(
            "publish",
            storage_locations,
            run=in_work_folder("run.json"),
            records=in_work_folder("records"),
            output=from_sheet("output"),
            validate_command=no_rerun(validate_command),
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown("Publishing {wildcards.dataset}")
    shell:
        COMMAND
