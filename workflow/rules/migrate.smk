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
    group:
        job_group("migrate")
    conda:
        ENVIRONMENT
    threads: cores_of_arrays
    resources:
        **job_resources(1000, 10),
    params:
        **program(
            "migrate",
            storage_locations,
            dataset=from_sheet("dataset"),
            output=from_sheet("output"),
            batch_mib=CONFIG.batch_mib,
            unsupported=CONFIG.unsupported,
            target_version=CONFIG.target_version,
            spatialdata=from_sheet("spatialdata"),
            consolidated_metadata=CONFIG.consolidated_metadata,
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown("Migrating the metadata of {wildcards.dataset}")
    shell:
        COMMAND
