rule migrate:
    input:
        claim=f"{WORK}/claim.json",
        inventory=f"{WORK}/inventory.json",
        plan=f"{WORK}/plan.json",
        slices=slices,
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
        dataset="{dataset}",
        output=from_sheet("output"),
        batch_mib=CONFIG.batch_mib,
        unsupported=CONFIG.unsupported,
        target_version=CONFIG.target_version,
        consolidated_metadata=CONFIG.consolidated_metadata,
        storage=uncompared(STORAGE),
    message:
        "Migrating the metadata of {wildcards.dataset}"
    script:
        "../../scripts/migrate.py"
