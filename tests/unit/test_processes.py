"""Worker processes: every input once, errors come through, and no worker outlives its job."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from support.steps import SCRIPTS
from uplift.errors import SourceError, WorkerError
from uplift.running.processes import Workers


def opened(count):
    return {"pid": os.getpid(), "count": count}


def square(context, number):
    context["count"](number)
    return number * number, context["pid"]


def fail_at_three(context, number):
    if number == 3:
        raise SourceError("no: three")
    return number


def die_at_three(context, number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("count", [1, 3])
def test_every_input_once(count):
    ticks = []
    with Workers(count, opened) as workers:
        found = list(workers.as_done(square, range(40), lambda: ticks.append(1)))
        assert workers.counted() == sum(range(40))
        more = list(workers.as_done(square, [5]))
    assert sorted(value for value, _ in found) == [n * n for n in range(40)]
    pids = {pid for _, pid in found}
    assert pids == {os.getpid()} if count == 1 else os.getpid() not in pids
    assert more[0][0] == 25
    assert ticks


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_comes_through_and_ends_the_others(count):
    with pytest.raises(SourceError, match="no: three"), Workers(count, opened) as workers:
        list(workers.as_done(fail_at_three, range(1000)))


def test_a_killed_worker_is_an_error_that_says_so():
    with pytest.raises(WorkerError, match="exit code -9") as found, Workers(2, opened) as workers:
        list(workers.as_done(die_at_three, range(1000)))
    assert found.value.exit_code == 75, "not tried again with more memory"


JOB = """
import os, sys, time
sys.path[:0] = sys.argv[1:3]
from uplift.running.processes import Workers

if __name__ != "__main__":
    raise SystemExit("the main program is imported by a worker")

with Workers(2, __import__("unit_workers").opened) as workers:
    workers_function = __import__("unit_workers").sleep
    for _ in workers.as_done(workers_function, range(100)):
        pass
"""
MODULE = """
import os, time
def opened(count):
    return None
def sleep(context, number):
    os.write(1, f"{os.getpid()}\\n".encode())  # a line is one write, whoever else writes there
    time.sleep(60)
"""


def test_no_worker_outlives_a_job_that_is_killed(tmp_path):
    (tmp_path / "unit_workers.py").write_text(MODULE)
    (tmp_path / "job.py").write_text(JOB)
    command = [sys.executable, str(tmp_path / "job.py"), str(SCRIPTS), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
        pids = [int(job.stdout.readline()) for _ in range(2)]
        job.kill()
        job.wait()
        end = time.monotonic() + 60
        while any(map(psutil.pid_exists, pids)) and time.monotonic() < end:
            time.sleep(0.02)
        assert not any(map(psutil.pid_exists, pids))


FORKS = """
import os, sys, threading, time
sys.path[:0] = sys.argv[1:3]
import uplift.batches
import numpy  # has threads of its own, if it may
from uplift.running.processes import Workers
from uplift.work import usage
import unit_workers

end = threading.Event()
if "thread" in sys.argv:
    threading.Thread(target=end.wait, daemon=True).start()
used, before = usage.used_so_far().cpu_seconds, time.process_time()
while time.process_time() < before + 0.2:
    pass
with Workers(2, unit_workers.opened, (), (usage.collect_spent, usage.add_spent)) as workers:
    print(*workers.as_done(unit_workers.parent, range(2)))
end.set()
print(usage.used_so_far().cpu_seconds - used)
"""
WORK = """
import os, time
def opened(count):
    return None
def parent(context, number):
    while time.process_time() < 0.3:
        pass
    time.sleep(0.2)  # so that both workers get one
    return os.getppid() == int(os.environ["JOB"])
"""


@pytest.mark.parametrize("words", [[], ["thread"]])
def test_workers_are_forks_of_a_job_with_one_thread_and_their_time_counts_once(tmp_path, words):
    (tmp_path / "unit_workers.py").write_text(WORK)
    # the environment of the workers is that of the job when it starts
    program = f"import os; os.environ['JOB'] = str(os.getpid())\n{FORKS}"
    (tmp_path / "job.py").write_text(guarded(program))
    command = [sys.executable, str(tmp_path / "job.py"), str(SCRIPTS), str(tmp_path), *words]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert found[0] == ("False False" if words else "True True")
    own = 0.2 + 2 * 0.3
    assert own <= float(found[1]) < own + 0.5, "twice would be 0.6 more"


MEANWHILE = """
import os, signal, sys, time
sys.path[:0] = sys.argv[1:2]
import uplift.batches
from uplift.errors import SourceError, WorkerError
from uplift.running.meanwhile import meanwhile
from uplift.work import usage

spent = (usage.collect_spent, usage.add_spent)


def fail():
    raise SourceError("no: this one")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def error_of(call):
    try:
        with meanwhile(call, cores=2, spent=spent) as result:
            result()
    except (SourceError, WorkerError) as error:
        return str(error)


for cores in (1, 2):
    with meanwhile(os.getpid, cores=cores, spent=spent) as result:
        print(result() == os.getpid())
print(error_of(fail))
print(error_of(die))
with meanwhile(lambda: time.sleep(600), cores=2, spent=spent):
    pass
"""


def test_a_fork_makes_a_call_meanwhile_and_its_errors_come_through():
    command = [sys.executable, "-c", MEANWHILE, str(SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    here, apart, error, killed = done.stdout.splitlines()
    assert (here, apart) == ("True", "False")
    assert error == "no: this one"
    assert "exit code -9" in killed


def guarded(program):
    """A program that a fresh process may import."""
    lines = "\n".join(f"    {line}" for line in program.splitlines())
    return f"if __name__ == '__main__':\n{lines}\n"


class HeldError(Exception):
    """Cannot be pickled."""

    def __init__(self):
        super().__init__("held")
        self.lock = threading.Lock()


class PairError(Exception):
    """Can be pickled, and not made again."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def fail_oddly(_, kind):
    raise HeldError if kind == "held" else PairError("no", "way")


def answer_oddly(_, __):
    return threading.Lock()


@pytest.mark.parametrize("capacity", [1, 9])
@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        (fail_oddly, "held", "HeldError: held"),
        (fail_oddly, "pair", "PairError: no way"),
        (answer_oddly, "lock", "cannot pickle"),
    ],
)
def test_what_cannot_be_handed_over_is_an_error_that_says_what(capacity, function, kind, said):
    refused = pytest.raises(WorkerError, match=f"in a worker process: .*{said}")
    with refused, Workers(2, opened, capacity=capacity) as workers:
        list(workers.as_done(function, [kind] * 3))
