rule claim:
    input:
        # ancient: a new plan is no reason to claim, and so to convert everything, again
        summary=ancient(summary_file),
    output:
        claim=f"{WORK}/claim.json",
    log:
        f"{WORK}/logs/claim.log",
    conda:
        ENVIRONMENT
    params:
        storage_places,
        output=from_sheet("output"),
        overwrite=uncompared(CONFIG.overwrite),
        # no inputs: they are there when they matter, and are no reason to run either
        run=f"{WORK}/run.json",
        published=f"{WORK}/published.json",
        storage=uncompared(STORAGE),
    message:
        "Claiming the output of {wildcards.dataset}"
    script:
        "../../scripts/claim_output.py"


rule convert:
    input:
        batch=batch_file,
        claim=f"{WORK}/claim.json",
    output:
        record=f"{WORK}/records/{{batch}}.json",
    log:
        f"{WORK}/logs/convert/{{batch}}.log",
    benchmark:
        f"{WORK}/benchmarks/convert/{{batch}}.tsv"
    conda:
        ENVIRONMENT
    threads: convert_cores
    params:
        storage_places,
        threads=uncompared(CONFIG.threads),
        journal=f"{WORK}/journal/{{batch}}.jsonl",
        on_bad_chunk=CONFIG.on_bad_chunk,
        durability=uncompared(CONFIG.durability),
        storage=uncompared(STORAGE),
    message:
        "Converting {wildcards.dataset}, batch {wildcards.batch}"
    script:
        "../../scripts/convert_batch.py"
