"""Hooks: before the first job of a run, and after the last one."""

import functools
import subprocess
import sys

from uplift.report import stamps
from uplift.storage.settings import engines_of
from uplift.workflow import ending, faults, forks, idle, rounds, slurm_plugin, start


def start_server(programs, **how):
    """Start the job server, unless it runs already."""
    urls = [
        url for name in ACTIVE for url in (SAMPLES[name].input, SAMPLES[name].output)
    ]
    programs = dict.fromkeys([*programs, "report"])
    JOBS.start(programs, engines_of(urls, STORAGE), **how)


@functools.cache
def start_early():
    """Start the job server before all jobs are listed, if datasets are to be converted here."""
    if IS_MODULE or IS_CLUSTER or not workflow.is_main_process:
        return
    if workflow.execution_settings is None or workflow.dryrun or workflow.touch:
        return
    if set(workflow.dag_settings.targets) - {"all"}:
        return
    if not all(Path(RESULTS, name, LAST).is_file() for name in ACTIVE):
        programs = (name for name in NAMES if name != "archive" or CONFIG.ozx)
        start_server(programs, forked=forks.is_safe())


def before_the_first_job():
    """Write what jobs need before they run; nothing in dry runs."""
    if not workflow.is_main_process or workflow.touch:
        return
    refuse_little_space()
    for one in (one for found in DAMAGE.values() for one in found):
        if one.line:
            sys.stderr.write(f"warning: {one.line}\n")
        for path in (one.path, *one.again):
            path.unlink(missing_ok=True)
    asked = workflow.dag_settings
    own = {name: step for step, name in NAMES.items()}
    start.forget_forced(
        ACTIVE,
        RESULTS,
        forceall=asked.forceall,
        forcerun={own.get(name, name) for name in asked.forcerun},
        targets=asked.targets,
    )
    start.note_samples(SAMPLES, RESULTS)
    faults.watch(workflow)
    start.schedule_quickly(workflow)
    ending.end_from_a_thread(workflow.scheduler)
    rounds.schedule_less_often(workflow.scheduler, is_local=not IS_CLUSTER)
    here = {
        one.rule.name
        for one in workflow.dag.needrun_jobs()
        if one.is_local or not IS_CLUSTER
    }
    start_server(PROGRAMS[name] for name in here if name in PROGRAMS)
    if IS_CLUSTER:
        # of a job that failed in its last step, the others' files are whole, the verdict among them
        workflow.execution_settings.keep_incomplete = True
        most = workflow.remote_execution_settings.seconds_between_status_checks
        slurm_plugin.adapt(
            workflow.scheduler._executor,
            most,
            is_stopped=lambda: (
                not workflow.scheduler.keepgoing or workflow.scheduler._user_kill
            ),
            on_refused=functools.partial(faults.note_refusal, workflow),
            longest=NODES.minutes if NODES else None,
            partition=CONFIG.slurm.partition,
            on_queued=lambda jobs: console.active()
            and console.active().note_queued(jobs),
        )


def refuse_little_space():
    """Stop, or warn, when the outputs do not fit on their file systems."""
    # most of what reading these files takes, and only a run with jobs asks it
    from uplift.workflow import space

    jobs = (
        one for one in workflow.dag.needrun_jobs() if one.rule.name == NAMES["convert"]
    )
    names = dict.fromkeys(one.wildcards_dict["dataset"] for one in jobs)
    samples = [SAMPLES[name] for name in names]
    shared = space.shared_by(samples, RESULTS, archive=CONFIG.ozx)
    lines = list(filter(None, (one.little() for one in shared)))
    word = "error" if CONFIG.on_little_space == "fail" else "warning"
    sys.stderr.writelines(f"{word}: {line}\n" for line in lines)
    if lines and word == "error":
        raise SystemExit(1)


def report_options():
    """Options of the report's program, with the prices of this run's config."""
    # a login node does not draw pictures; the target `report` is a job that does
    return {**REPORT, "previews": CONFIG.previews and not IS_CLUSTER}


def write_report():
    """The report on all datasets."""
    options = job.options_of(report_options())
    if CONFIG.previews and IS_CLUSTER:
        if NAMES["report"] not in workflow.dag_settings.targets:
            sys.stderr.write(
                "Previews: the same command with the target report draws them, in a job\n"
            )
    program = str(HOME / "scripts" / "report.py")
    words = [*JOBS.command(program), "--quiet", "--last-line", *options]
    sys.stderr.flush()
    subprocess.run(words, check=False, stdout=sys.stderr)


def after_no_job():
    """Make the report where nothing is to be done and something that it shows has changed."""
    if not workflow.is_main_process or workflow.touch or not Path(RESULTS).is_dir():
        return
    print_gone_outputs()
    table, given = start.note_samples(SAMPLES, RESULTS), report_options()
    options = [given[name] for name in ("previews", "storage", "costs")]
    line = stamps.line_of_current(Path(RESULTS), options, table.samples)
    if line is None:
        write_report()
    else:
        sys.stderr.write(f"{line}\n")
    if gone_outputs():
        raise SystemExit(1)


def after_the_last_job():
    """One line for each dataset on standard error, and the report on all of them.

    Returns the exit code of a run whose jobs all succeeded: 1 where an output is gone, or a plan of the
    table is wrong.
    """
    if not workflow.is_main_process or workflow.touch:
        return 0
    code = 0
    shown, failed = console.active(), []
    if shown is not None:
        failed = shown.conclude()
    else:
        lines = start.summary_lines(SAMPLES, RESULTS)
        sys.stderr.writelines(f"{line}\n" for line in lines)
    print_gone_outputs()
    write_report()
    if NAMES["plans"] in workflow.dag_settings.targets:
        given = workflow.resource_settings
        options = {
            "results": RESULTS,
            "samples": REPORT["samples"],
            "cores": (given.nodes * CONFIG.threads if IS_CLUSTER else given.cores) or 1,
            "threads": CONFIG.threads,
            "ozx": CONFIG.ozx,
            "costs": CONFIG.costs.to_json(),
            "failed": failed,
        }
        program = str(HOME / "scripts" / "plans.py")
        words = [*JOBS.command(program), "--quiet", *job.options_of(options)]
        sys.stderr.flush()
        code = subprocess.run(words, check=False).returncode
    JOBS.stop()
    return 1 if gone_outputs() else code


def end_run():
    """The last thing of a run: a hook can set Snakemake's exit code only by raising."""
    if after_the_last_job():
        raise SystemExit(1)


def chained(first, hook):
    """A hook of the outer workflow, after that of this module."""

    def both(log):
        code = first()
        hook(log)
        if code:
            raise SystemExit(1)

    return both


forks.collect_seldom()
idle.watch(workflow, after_no_job)

if IS_MODULE:
    # Snakemake takes no hooks from modules
    workflow._onstart = chained(before_the_first_job, workflow._onstart)
    workflow._onsuccess = chained(after_the_last_job, workflow._onsuccess)
    workflow._onerror = chained(after_the_last_job, workflow._onerror)
