rule migrate:
    input:
        batch_files,
        claim=f"{WORK}/claim.json",
        inventory=f"{WORK}/inventory.json",
    output:
        migration=f"{WORK}/migration.json",
        root=f"{WORK}/root.zarr.json",
    log:
        f"{WORK}/logs/migrate.log",
    benchmark:
        f"{WORK}/benchmarks/migrate.tsv"
    conda:
        ENVIRONMENT
    params:
        storage_places,
        batches=f"{WORK}/batches",
        output=from_sheet("output"),
        target_version=CONFIG.target_version,
        consolidated_metadata=CONFIG.consolidated_metadata,
        storage=uncompared(STORAGE),
    message:
        "Migrating the metadata of {wildcards.dataset}"
    script:
        "../../scripts/migrate_attributes.py"
