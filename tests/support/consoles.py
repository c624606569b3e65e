"""A run of the workflow as its console sees it, without Snakemake."""

import io
from types import SimpleNamespace

from uplift.report.outcomes import Outcome
from uplift.workflow import console, display


class Recorded(display.PlainDisplay):
    """Lines with what kind they are."""

    def __init__(self):
        super().__init__(io.StringIO())
        self.lines = []
        for kind in ("note", "done", "stumbled", "warned", "failed"):
            setattr(self, kind, lambda text, kind=kind: self.lines.append((kind, text)))


def workflow(**settings):
    asked = {"quiet": None, "verbose": False, "printshellcmds": False, "debug_dag": False}
    return SimpleNamespace(
        output_settings=SimpleNamespace(**{**asked, **settings}),
        is_main_process=True,
        dryrun=False,
        touch=False,
        dag=SimpleNamespace(needrun_jobs=list),
        rules=[SimpleNamespace(name=name) for name in ("inspect_source", "plan")],
        execution_settings=SimpleNamespace(retries=0),
        logger_manager=SimpleNamespace(get_logfile=lambda: ["snakemake.log"]),
        included_stack=[SimpleNamespace(get_path_or_uri=lambda **_: "own.smk")],
    )


def job(rule, dataset=None):
    wildcards = {} if dataset is None else {"dataset": dataset}
    return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards_dict=wildcards)


class Run:
    """A run of the workflow as its console sees it."""

    def __init__(self, logger, messages, *jobs):
        self.logger, self.ids = logger, {}
        self.workflow = workflow()
        self.workflow.dag.needrun_jobs = lambda: [job(*one) for one in jobs]
        console.install(self.workflow)
        self.console = console.active()
        self.console._display = self.display = Recorded()
        outcomes = {name: one if isinstance(one, Outcome) else Outcome("valid", one)
                    for name, one in messages.items()}  # fmt: skip
        self.console.configure(["a", "b", "c"], "results", outcomes.get)

    @property
    def lines(self):
        return self.display.lines

    def event(self, name, **about):
        self.logger.info("text of Snakemake", extra={"event": name, **about})

    def begin(self, rule, dataset, log=None):
        self.ids[rule, dataset] = len(self.ids)
        wildcards = {"dataset": dataset} if dataset else {}
        log = [log or f"results/{dataset}/logs/{rule}.log"]
        about = {"rule_name": rule, "wildcards": wildcards, "log": log}
        self.event("job_info", jobid=self.ids[rule, dataset], **about)

    def end(self, rule, dataset):
        self.event("job_finished", job_id=self.ids[rule, dataset])

    def fail(self, rule, dataset):
        self.error('RuleException:\nCalledProcessError in file "c.smk", line 9:\nCommand failed')
        self.event("job_error", jobid=self.ids[rule, dataset], rule_name=rule, log=[])

    def error(self, text):
        """As Snakemake's ``print_exception`` does."""
        self.logger.error(text, extra={"event": "error", "exception": text.split(":")[0]})
