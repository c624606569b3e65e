"""Jobs are forks of a server, and what a client, a program or Snakemake sees of that: nothing."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from uplift.workflow import attempts, job_server

PROBE = """
import atexit, concurrent.futures, json, os, signal, sys, threading, time
from pathlib import Path

with Path(os.environ["IMPORTS"]).open("a") as stream:
    stream.write(f"{os.getpid()}\\n")

def main(argv):
    how, *rest = argv if argv is not None else sys.argv[1:]
    if how == "tell":
        said = sys.stdin.read()
        facts = [os.getcwd(), sys.argv, sorted(os.environ.items()), said]
        facts += [signal.getsignal(one) == signal.default_int_handler for one in [signal.SIGINT]]
        print(json.dumps(facts), flush=True)
        print("and", file=sys.stderr)
        return 3
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if how == "fail":
        raise ValueError("no")
    if how == "late":  # what Python does at its end, too
        late = lambda word: (time.sleep(0.1), sys.stdout.write(word + "\\n"))
        threading.Thread(target=late, args=["thread"]).start()
        atexit.register(print, "at the end")
        concurrent.futures.ThreadPoolExecutor().submit(late, "pool")
        print("first")
        return 7
    Path(rest[0]).write_text(f"{os.getpid()} {os.getppid()}")
    while how == "wait" and not Path(rest[1]).exists():
        time.sleep(0.01)
    Path(rest[0]).unlink()
    return 0

if __name__ == "__main__":
    from uplift.workflow import job
    sys.exit(job.run(main))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(job_server.SCRIPTS)]))
    monkeypatch.setenv("IMPORTS", str(tmp_path / "imports"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv(attempts.RUN_VARIABLE, raising=False)
    return tmp_path


WORKFLOW = """
import atexit, sys, tempfile
from pathlib import Path
from uplift.workflow.job_server import JobServer

atexit.register(print, "the workflow ends")
kept = tempfile.TemporaryDirectory()
server = JobServer(Path(sys.argv[1]))
server.start(["probe"], forked=True)
print("started", flush=True)
sys.stdin.read()
server.stop()
assert Path(kept.name).is_dir()
"""


@pytest.fixture(params=["started", "forked"])
def server(folder, request):
    """A process of its own, and a fork of the workflow's."""
    place = Path(folder, "s")
    if len(str(place)) > 100:
        pytest.skip("the folder of tests has a long name")
    started = job_server.JobServer(place)
    if request.param == "started":
        started.start(["probe"])
        yield started
        (folder / "go").touch()  # where the test failed, too
        started.stop()
    else:
        command = [sys.executable, "-c", WORKFLOW, str(place)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as workflow:
            assert workflow.stdout.readline() == b"started\n"
            yield started
            (folder / "go").touch()
            assert workflow.communicate()[0] == b"the workflow ends\n", "once"
        assert workflow.returncode == 0
    assert not place.exists()


def begin(server, folder, *arguments, **options):
    command = [*server.command(str(folder / "probe.py")), *map(str, arguments)]
    return subprocess.Popen(command, **options)


def both_ways(server, folder):
    program = str(folder / "probe.py")
    return server.command(program), [sys.executable, program]


def has_ended(pid):
    """Wait for a process that may stay a zombie, since its parent was killed."""
    end = time.monotonic() + 120
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
    return True


def appeared(path):
    end = time.monotonic() + 120
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return [int(word) for word in path.read_text().split()]


def imports(folder):
    return (folder / "imports").read_text().split()


def test_a_program_is_what_it_is_by_itself(server, folder):
    (folder / "elsewhere").mkdir()
    environment = {**os.environ, "ODD": "a=b\nc", "EMPTY": ""}
    said = []
    for command in (
        server.command(str(folder / "probe.py")),
        [sys.executable, folder / "probe.py"],
    ):
        done = subprocess.run(
            [*command, "tell", "", "a b\n"],
            cwd=folder / "elsewhere",
            env=environment,
            input="heard",
            capture_output=True,
            text=True,
            check=False,
        )
        said.append((done.returncode, json.loads(done.stdout), done.stderr))
    assert said[0] == said[1]
    assert said[0][0] == 3
    assert said[0][1][0] == str(folder / "elsewhere")


@pytest.mark.parametrize("how", ["die", "interrupt", "fail"])
def test_an_end_that_is_none_of_its_own(server, folder, how):
    codes, said = [], []
    for command in (
        server.command(str(folder / "probe.py")),
        [sys.executable, folder / "probe.py"],
    ):
        done = subprocess.run([*command, how], capture_output=True, text=True, check=False)
        codes.append(done.returncode if done.returncode >= 0 else 128 - done.returncode)
        said.append(done.stderr.splitlines()[-1:])
    assert codes[0] == codes[1]
    assert said[0] == said[1]


def test_an_end_waits_for_threads_exit_functions_and_what_was_written(server, folder):
    for command in both_ways(server, folder):
        done = subprocess.run([*command, "late"], capture_output=True, text=True, check=False)
        first, *others, last = done.stdout.splitlines()
        assert (first, sorted(others), last) == ("first", ["pool", "thread"], "at the end")
        assert (done.returncode, done.stderr) == (7, "")


def test_programs_are_imported_once(server, folder):
    for number in range(4):
        assert begin(server, folder, "quick", folder / str(number)).wait() == 0
    assert len(imports(folder)) == 1


def test_jobs_run_at_the_same_time_and_end_with_their_clients(server, folder):
    clients = [begin(server, folder, "wait", folder / n, folder / "go") for n in "ab"]
    (first, parent), (second, same) = (appeared(folder / n) for n in "ab")
    assert parent == same != os.getpid()
    clients[0].kill()
    clients[0].wait()
    assert has_ended(first)
    assert psutil.pid_exists(second)
    (folder / "go").touch()
    assert clients[1].wait(30) == 0
    assert begin(server, folder, "quick", folder / "c").wait() == 0, "the server is well"


def test_a_killed_server(server, folder):
    client = begin(server, folder, "wait", folder / "a", folder / "go")
    child, parent = appeared(folder / "a")
    os.kill(parent, signal.SIGKILL)
    time.sleep(0.2)
    assert client.poll() is None, "the client waits for the job that goes on"
    (folder / "go").touch()
    assert client.wait(30) == 128 + signal.SIGKILL, "nobody knows how it ended"
    assert has_ended(child)
    assert begin(server, folder, "quick", folder / "b").wait() == 0, "it runs by itself"
    assert len(imports(folder)) == 2


def test_a_killed_workflow(folder):
    """The job that runs goes on; the server ends after it, and leaves nothing."""
    place = Path(folder, "s")
    code = (
        "import sys, time; from pathlib import Path; from uplift.workflow.job_server import *\n"
        f"server = JobServer(Path({str(place)!r})); server.start(['probe'])\n"
        "print('started', flush=True); time.sleep(60)"
    )
    workflow = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert workflow.stdout.readline() == b"started\n"
    server = job_server.JobServer(place)
    client = begin(server, folder, "wait", folder / "a", folder / "go")
    child, parent = appeared(folder / "a")
    workflow.kill()
    workflow.wait()
    workflow.stdout.close()
    assert psutil.pid_exists(child)
    (folder / "go").touch()
    assert client.wait(30) == 0
    assert has_ended(parent)
    assert not place.exists()


def test_no_room_for_a_socket(folder):
    server = job_server.JobServer(Path(folder, "s" * 120))
    server.start(["probe"])
    assert begin(server, folder, "quick", folder / "a").wait() == 0
    server.stop()
    assert not server.folder.exists()


def test_a_server_that_cannot_import(folder):
    shutil.rmtree(folder / "s", ignore_errors=True)
    server = job_server.JobServer(Path(folder, "s"))
    server.start(["no_such_program"])
    assert begin(server, folder, "quick", folder / "a").wait() == 0
    server.stop()


LATE = """
import os, sys, time
from pathlib import Path

while not Path(os.environ["IMPORTS"]).with_name("imported").exists():
    time.sleep(0.01)

from probe import main

if __name__ == "__main__":
    from uplift.workflow import job
    sys.exit(job.run(main))
"""


def test_jobs_run_while_the_programs_of_later_steps_are_imported(folder, monkeypatch):
    """A fork imports those and serves them; the jobs of later steps wait for it."""
    (folder / "late.py").write_text(LATE)
    monkeypatch.setattr(job_server, "_LATER", {"then": ("late",), "last": ("later",)})
    server = job_server.JobServer(Path(folder, "s"))
    server.start(["late", "probe"])
    command = server.command(str(folder / "late.py"))
    late = subprocess.Popen([*command, "wait", folder / "b", folder / "go"])
    early = begin(server, folder, "wait", folder / "a", folder / "go")
    _, first = appeared(folder / "a")
    assert first == server._process.pid
    assert not (folder / "b").exists()
    (folder / "imported").touch()
    _, second = appeared(folder / "b")
    assert psutil.Process(second).ppid() == first
    (folder / "go").touch()
    assert early.wait(30) == late.wait(30) == 0
    server.stop()
    assert not psutil.pid_exists(second)
    assert not server.folder.exists()


def test_groups_of_programs_are_imported_one_after_the_other(folder, monkeypatch):
    (folder / "late.py").write_text("from probe import main")
    (folder / "later.py").write_text(LATE)
    monkeypatch.setattr(job_server, "_LATER", {"then": ("late",), "last": ("later",)})
    server = job_server.JobServer(Path(folder, "s"))
    server.start(["later", "late", "probe"])
    last = subprocess.Popen(
        [*server.command(str(folder / "later.py")), "wait", folder / "c", folder / "go"]
    )
    found = []
    for name, number in (("probe", "a"), ("late", "b")):
        command = server.command(str(folder / f"{name}.py"))
        found.append(subprocess.Popen([*command, "wait", folder / number, folder / "go"]))
    parents = [appeared(folder / number)[1] for number in "ab"]
    assert not (folder / "c").exists()
    (folder / "imported").touch()
    parents.append(appeared(folder / "c")[1])
    assert [psutil.Process(one).ppid() for one in parents] == [os.getpid(), *parents[:2]]
    (folder / "go").touch()
    assert [one.wait(30) for one in (*found, last)] == [0, 0, 0]
    server.stop()
    assert not any(psutil.pid_exists(one) for one in parents)
    assert not server.folder.exists()


def test_a_program_of_a_later_step_that_cannot_be_imported(folder, capfd, monkeypatch):
    (folder / "late.py").write_text(LATE)
    (folder / "imported").touch()
    monkeypatch.setattr(job_server, "_LATER", {"then": ("no_such_program", "late")})
    server = job_server.JobServer(Path(folder, "s"))
    server.start(["late", "probe", "no_such_program"])
    client = subprocess.Popen(
        [*server.command(str(folder / "late.py")), "wait", folder / "b", folder / "go"]
    )
    _, parent = appeared(folder / "b")
    (folder / "go").touch()
    assert client.wait(30) == 0
    assert parent == os.getpid(), "by itself"
    assert "No module named 'no_such_program'" in capfd.readouterr().err
    assert begin(server, folder, "quick", folder / "a").wait() == 0
    server.stop()


@pytest.mark.parametrize(
    "programs", [["convert"], ["validate"], []], ids=["convert", "validate", "all"]
)
def test_forks_are_safe(programs):
    """No thread and no open store when programs are imported: workers, and jobs, are forks."""
    code = (
        "import importlib, os, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(len(os.listdir('/proc/self/task')), 'obstore' in sys.modules)"
    )
    rules = [path.stem for path in (job_server.SCRIPTS.parent / "workflow/rules").glob("*.smk")]
    every = [name for name in rules if (job_server.SCRIPTS / f"{name}.py").exists()]
    assert {"convert", "validate", "report"} < set(every)
    environment = {**os.environ, "PYTHONPATH": str(job_server.SCRIPTS)}
    if programs:  # a program by itself sees to it
        environment.pop("OPENBLAS_NUM_THREADS", None)
    else:
        environment["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", code, *(programs or every)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "False"]


def test_a_fork_looks_for_cycles_as_often_as_python_does(tmp_path):
    (tmp_path / "probe.py").write_text("import gc\ndef main(argv): print(gc.get_threshold())\n")
    code = (
        "import gc, sys\n"
        "print(gc.get_threshold())\n"
        "from uplift.workflow import forks\n"
        "forks.collect_seldom()\n"
        "print(gc.get_threshold()[0])\n"
        "forks.Fork('probe', [], ()).wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{job_server.SCRIPTS}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    usual, seldom, forked = done.stdout.splitlines()
    assert seldom == "100000"
    assert forked == usual
