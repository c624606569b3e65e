rule publish:
    input:
        batch_files,
        record_files,
        **with_manifest(f"{WORK}/manifest.sha256"),
        validation=f"{WORK}/validation.json",
        root=f"{WORK}/root.zarr.json",
        claim=f"{WORK}/claim.json",
    output:
        published=f"{WORK}/published.json",
    log:
        f"{WORK}/logs/publish.log",
    conda:
        ENVIRONMENT
    params:
        storage_places,
        run=f"{WORK}/run.json",
        batches=f"{WORK}/batches",
        records=f"{WORK}/records",
        output=from_sheet("output"),
        validate_command=validate_command,
        storage=uncompared(STORAGE),
    message:
        "Publishing {wildcards.dataset}"
    script:
        "../../scripts/publish_dataset.py"
