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
    conda:
        ENVIRONMENT
    params:
        storage_places,
        run=f"{WORK}/run.json",
        records=f"{WORK}/records",
        output=from_sheet("output"),
        validate_command=validate_command,
        storage=uncompared(STORAGE),
    message:
        "Publishing {wildcards.dataset}"
    script:
        "../../scripts/publish.py"
