"""The console of this workflow takes the place of Snakemake's messages."""

import sys

sys.path.append(str(Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1] / "scripts"))

from uplift.workflow import console

console.install(workflow)
