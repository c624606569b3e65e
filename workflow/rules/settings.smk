"""Config and sample sheet: what all rules ask.

Nothing here writes a file: Snakefiles are read for dry runs, too. What is to be written is written
when the first job is about to start.
"""

import functools
import re
import shlex
import sys

from snakemake.common.configfile import load_configfile

from uplift.errors import InputError
from uplift.report.outcomes import Outcome
from uplift.settings import config as settings
from uplift.settings import samples as sheet
from uplift.settings.duplicate_keys import duplicate_keys
from uplift.settings.locations import closed_to_the_group, folders_to_bind
from uplift.settings.mistakes import MistakesError
from uplift.workflow import earlier, job_server, start

JOBS = job_server.JobServer()
IS_MODULE = not workflow.modifier.is_main_snakefile()
# another workflow may give the rules other names
NAMES = {
    name: workflow.modifier.modify_rulename(name)
    for name in (
        *("inspect_source", "plan", "claim", "convert", "migrate", "crate"),
        *("validate", "publish", "archive", "plans", "report"),
    )
}


def config_sources():
    """Where each part of the config comes from, the strongest last."""
    if IS_MODULE:
        yield "config of the module", config
        return
    for path in (*workflow.configfiles, *workflow.config_settings.configfiles):
        yield str(path), load_configfile(path)
    yield "--config", workflow.config_settings.config


def refuse_duplicate_keys():
    """Refuse files of the user's in which a key stands twice; that of a module is not known here."""
    if IS_MODULE or not workflow.is_main_process:
        return
    files = dict.fromkeys(
        map(Path, (*workflow.configfiles, *workflow.config_settings.configfiles))
    )
    files.pop(HOME / "config" / "config.yaml", None)
    if lines := [line for path in files for line in duplicate_keys(path)]:
        raise MistakesError(lines)


def gone_outputs():
    """What is wrong with outputs that are gone, by dataset; none where all are asked for again.

    Known once Snakemake has read its command line, which is after the rules.
    """
    if not GONE:
        return GONE
    asked = workflow.dag_settings
    steps = {NAMES[name] for name in ("inspect_source", "plan", "claim", "validate")}
    return {} if asked.forceall or steps & set(asked.forcerun) else GONE


@functools.cache
def print_gone_outputs():
    """Name the datasets whose outputs are gone, once; nothing is done about them."""
    sys.stderr.writelines(f"error: {line}\n" for line in gone_outputs().values())


def of_present(pattern):
    """Files of all datasets but those whose outputs are gone; a function where there are such."""
    if not GONE:
        return expand(pattern, dataset=ACTIVE)

    def files(_):
        if workflow.dryrun:  # no hook is called then
            print_gone_outputs()
        return expand(
            pattern, dataset=[one for one in ACTIVE if one not in gone_outputs()]
        )

    return files


GONE = {}
TYPED = () if IS_MODULE else tuple(workflow.config_settings.config_args or ())
try:
    refuse_duplicate_keys()
    CONFIG = settings.parse_config(config, config_sources(), TYPED)
    loaded = sheet.load_samples(CONFIG, check_locations=workflow.is_main_process)
    SAMPLES = start.Samples(start.without_secrets(loaded))
    STORAGE = sheet.storage_settings(CONFIG)
    WORK = f"{CONFIG.results}/{{dataset}}"
    # where the rules' files are for programs, which know nothing of a module's prefix
    RESULTS = str(Path(workflow.modifier.modify_path(f"{CONFIG.results}/x")).parent)
    EARLIER = earlier.finished_before(SAMPLES, RESULTS)
    if workflow.is_main_process:
        outputs = [sample.output for sample in SAMPLES.values()]
        doubts = [*sheet.unknown_terms(SAMPLES), *closed_to_the_group(outputs)]
        sys.stderr.writelines(f"warning: {line}\n" for line in doubts)
        GONE = start.gone_outputs(SAMPLES, RESULTS, STORAGE)
        if EARLIER:
            sys.stderr.write(f"{earlier.note_on(EARLIER, RESULTS)}\n")
except InputError as error:
    # one line for each mistake, before any job starts
    sys.stderr.writelines(f"error: {line}\n" for line in str(error).splitlines())
    raise SystemExit(1)


def outcome_of(dataset):
    """What became of a dataset, with its output as it is now."""
    if dataset in gone_outputs():
        return Outcome("failed", gone_outputs()[dataset])
    return start.outcome(SAMPLES[dataset], RESULTS)


if console.active() is not None:
    if CONFIG.console == "snakemake":
        console.restore()
    else:
        console.active().configure(SAMPLES, RESULTS, outcome_of)

DEPLOYMENT = workflow.deployment_settings
DEPLOYED = {method.item_to_choice() for method in DEPLOYMENT.deployment_method}
if CONFIG.container is None:
    DEPLOYED.discard("apptainer")
elif "apptainer" in DEPLOYED:
    # The programs of this folder, with the libraries of the image, and the datasets. Of this machine,
    # Snakemake shows a job the working folder alone, in the place of the home folder. On a cluster,
    # Snakemake hands the options on to the job, where they are added to again.
    locations = [
        location
        for sample in SAMPLES.values()
        for location in (sample.input, sample.output, sample.plan)
        if location is not None
    ]
    for folder in (str(HOME), *folders_to_bind(locations)):
        if folder not in shlex.split(DEPLOYMENT.apptainer_args):
            DEPLOYMENT.apptainer_args += f" --bind {shlex.quote(folder)}"
# Snakemake makes up all params of all jobs for what may need an environment.
is_deployed = "conda" in DEPLOYED or "--lint" in sys.argv
ENVIRONMENT = HOME / "envs" / "environment.yaml" if is_deployed else None
ACTIVE = [dataset for dataset in SAMPLES if dataset not in EARLIER]
# Snakemake searches the text of this for each file of each job: with the names of all rows in it,
# that takes time with the square of the rows. Another name than theirs is refused by `Samples`.
NAMED = "[^/]+"
if IS_MODULE or EARLIER:
    NAMED = "|".join(re.escape(dataset) for dataset in ACTIVE) or "(?!)"
LAST = "archive.json" if CONFIG.ozx else "published.json"
REPORT = {
    "results": RESULTS,
    "samples": f"{RESULTS}/samples.json",
    "previews": CONFIG.previews,
    "storage": STORAGE,
    "costs": CONFIG.costs.to_json(),
}


wildcard_constraints:
    dataset=NAMED,
    k=r"[1-9][0-9]*",
    K=r"[1-9][0-9]*",
