"""The console of this workflow takes the place of Snakemake's messages."""

import sys

if str(HOME / "scripts") not in sys.path:
    sys.path.append(str(HOME / "scripts"))

from uplift.workflow import console

console.install(workflow)
