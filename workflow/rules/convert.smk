# Slice k of K: the program computes the batches and takes its share of them. What is done of them
# is kept, so this rule may run again at no great cost.
rule convert:
    input:
        inventory=f"{WORK}/inventory.json",
        plan=f"{WORK}/plan.json",
        claim=f"{WORK}/claim.json",
    output:
        slice=f"{WORK}/convert/{{k}}-of-{{K}}.json",
    log:
        f"{WORK}/logs/convert/{{k}}-of-{{K}}.log",
    group:
        job_group("convert")
    conda:
        ENVIRONMENT
    threads: cores_of_size
    resources:
        **job_resources(1000, 20, per_core_mb=700, passes=1),
    params:
        **program(
            "convert",
            storage_locations,
            part="{k}-of-{K}",
            dataset=from_sheet("dataset"),
            output=from_sheet("output"),
            batch_mib=CONFIG.batch_mib,
            unsupported=CONFIG.unsupported,
            work=in_work_folder(),
            on_bad_chunk=CONFIG.on_bad_chunk,
            verify=no_rerun(CONFIG.verify),
            manifest=no_rerun(CONFIG.manifest),
            on_little_space=no_rerun(CONFIG.on_little_space),
            durability=no_rerun(CONFIG.durability),
            storage=no_rerun(STORAGE),
        ),
    message:
        unless_shown(
            "Converting {wildcards.dataset}, slice {wildcards.k} of {wildcards.K}"
        )
    shell:
        COMMAND
