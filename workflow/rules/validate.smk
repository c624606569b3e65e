rule validate_batch:
    input:
        batch=batch_file,
        record=f"{WORK}/records/{{batch}}.json",
        migration=f"{WORK}/migration.json",
        root=f"{WORK}/root.zarr.json",
    output:
        # not deleted before the job: they stay when nothing changed since they were written
        **with_manifest(update(f"{WORK}/validation/{{batch}}.sha256")),
        validation=update(f"{WORK}/validation/{{batch}}.json"),
        digests=update(f"{WORK}/validation/{{batch}}.digests"),
    log:
        f"{WORK}/logs/validate/{{batch}}.log",
    benchmark:
        f"{WORK}/benchmarks/validate/{{batch}}.tsv"
    conda:
        ENVIRONMENT
    threads: batch_cores
    params:
        storage_places,
        standing=f"{WORK}/validation/{{batch}}.standing",
        digest_limit_mib=CONFIG.digest_limit_mib,
        storage=uncompared(STORAGE),
    message:
        "Validating {wildcards.dataset}, batch {wildcards.batch}"
    script:
        "../../scripts/validate_batch.py"


# Ends well with either verdict: a failing job would take validation.json with it. publish refuses.
rule validate:
    input:
        batch_files,
        record_files,
        validation_files,
        manifest_files,
        inventory=f"{WORK}/inventory.json",
        migration=f"{WORK}/migration.json",
        root=f"{WORK}/root.zarr.json",
        crate=f"{WORK}/crate.json",
    output:
        **with_manifest(f"{WORK}/manifest.sha256"),
        validation=f"{WORK}/validation.json",
    log:
        f"{WORK}/logs/validate.log",
    benchmark:
        f"{WORK}/benchmarks/validate.tsv"
    conda:
        ENVIRONMENT
    params:
        storage_places,
        batches=f"{WORK}/batches",
        records=f"{WORK}/records",
        validations=f"{WORK}/validation",
        dataset="{dataset}",
        storage=uncompared(STORAGE),
    message:
        "Validating {wildcards.dataset}"
    script:
        "../../scripts/validate_output.py"
