rule plan:
    input:
        inventory=f"{WORK}/inventory.json",
        supplied=supplied_plan,
    output:
        # not deleted before the job: an edited plan is kept
        plan=update(f"{WORK}/plan.json"),
    log:
        f"{WORK}/logs/plan.log",
    conda:
        ENVIRONMENT
    params:
        dataset="{dataset}",
        settings=from_sample(sheet.plan_settings),
    message:
        "Planning {wildcards.dataset}"
    script:
        "../../scripts/plan_chunks.py"


checkpoint split:
    input:
        inventory=f"{WORK}/inventory.json",
        plan=f"{WORK}/plan.json",
    output:
        batches=directory(f"{WORK}/batches"),
    log:
        f"{WORK}/logs/split.log",
    conda:
        ENVIRONMENT
    params:
        dataset="{dataset}",
        output=from_sheet("output"),
        settings=from_sample(sheet.batch_settings),
    message:
        "Splitting {wildcards.dataset} into batches"
    script:
        "../../scripts/split_batches.py"
