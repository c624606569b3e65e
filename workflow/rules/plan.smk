rule plan:
    input:
        find_damage,
        inventory=f"{WORK}/inventory.json",
        supplied=supplied_plan,
    output:
        # not deleted before the job: an edited plan is kept
        plan=update(f"{WORK}/plan.json"),
    log:
        f"{WORK}/logs/plan.log",
    group:
        job_group("plan")
    conda:
        ENVIRONMENT
    resources:
        **job_resources(1000, 5),
    params:
        **program(
            "plan",
            dataset=from_sheet("dataset"),
            settings=from_sample(sheet.plan_settings),
            unsupported=CONFIG.unsupported,
        ),
    message:
        unless_shown("Planning {wildcards.dataset}")
    shell:
        COMMAND
