"""Another workflow, which uses this one as a module."""

import subprocess
import sys

from support.workflow import environment

OUTER = """
configfile: "outer.yaml"

module uplift:
    snakefile: "{root}/workflow/Snakefile"
    config: config["uplift"]
    prefix: "converted"

use rule * from uplift as uplift_*

rule everything:
    default_target: True
    input:
        rules.uplift_all.input,
    output:
        "done.txt",
    shell:
        "touch {{output}}"
"""


def run_outer(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment(), check=False, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr
