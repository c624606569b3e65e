# Ends well with either verdict: a failing job would take validation.json with it. publish refuses.
rule validate:
    input:
        inventory=f"{WORK}/inventory.json",
        plan=f"{WORK}/plan.json",
        slices=slices,
        migration=f"{WORK}/migration.json",
        root=f"{WORK}/root.zarr.json",
        crate=f"{WORK}/crate.json",
    output:
        **with_manifest(f"{WORK}/manifest.sha256"),
        validation=f"{WORK}/validation.json",
    log:
        f"{WORK}/logs/validate.log",
    group:
        job_group("validate")
    conda:
        ENVIRONMENT
    threads: cores_of_size
    resources:
        **job_resources(1000, 10, per_core_mb=500, passes=1),
    params:
        **program(
            "validate",
            storage_locations,
            dataset=from_sheet("dataset"),
            output=from_sheet("output"),
            batch_mib=CONFIG.batch_mib,
            unsupported=CONFIG.unsupported,
            work=in_work_folder(),
            verify=CONFIG.verify,
            digest_limit_mib=CONFIG.digest_limit_mib,
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown("Validating {wildcards.dataset}")
    shell:
        COMMAND
