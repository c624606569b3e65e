"""A real SLURM of one node on loopback, in a folder of its own but for its settings, on free ports.

No accounting database: the workflow's profile asks squeue. Needs root, as slurmd does.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

PACKAGES = "slurm-wlm munge"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo")
_PYTHON = "{}.{}".format(*sys.version_info)
_APART = Path(__file__).resolve().parents[2] / ".venv" / f"slurm-{_PYTHON}"
"""Where `make test` installs the plugin, for these tests alone."""
DEFAULT_CONF = Path("/etc/slurm/slurm.conf")
GIVES_WAY = "scavenger"
"""A partition whose jobs are cancelled when others want their place."""
SHORT = "short"
"""A partition that gives a job 20 minutes."""
_MUNGE_FILES = ("key", "pid", "log", "seed")
_USABLE = ("idle", "mixed", "allocated")
_DEADLINE = 60.0

_CONF = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin={tasks}
ReturnToService=2
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
KillWait=5
MinJobAge=7200
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,defer_batch=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
{enforced}
FirstJobId={first}
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 Port={node} CPUs={cpus} RealMemory={memory} State=UNKNOWN
PreemptType=preempt/partition_prio
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=5 PreemptMode=OFF
PartitionName={short} Nodes={host} MaxTime=20 State=UP PriorityTier=5 PreemptMode=OFF
PartitionName={gives_way} Nodes={host} State=UP PriorityTier=1 PreemptMode=CANCEL
"""


# as a site's: nobody may swap, and what a job may take is what it asked for
_CGROUP_CONF = """CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
AllowedSwapSpace=0
ConstrainCores=no
MinRAMSpace=10
"""
_GROUPS = Path("/sys/fs/cgroup/memory")


def has_memory_limits() -> bool:
    """Whether the system lets SLURM limit a job's memory, by control groups (version 1)."""
    group = _GROUPS / f"uplift-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:  # none, or another's: as in most containers
        return False
    try:
        (group / "memory.limit_in_bytes").write_text(str(2**30))
    except OSError:
        return False
    finally:
        group.rmdir()
    return True


def why_not() -> str | None:
    """What keeps the cluster from starting here, or None."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"no {missing[0]}; install the Debian packages {PACKAGES}"
    if not has_plugin():
        return "no plugin of Snakemake for SLURM; `make test` installs it"
    if DEFAULT_CONF.exists():
        return f"{DEFAULT_CONF} exists; this machine has a SLURM of its own"
    return None if os.geteuid() == 0 else "slurmd wants to be started by root"


def with_plugin(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment in which Snakemake finds the plugin, which others' starts do without."""
    if _is_installed():
        return dict(environment)
    places = [str(_APART), *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, "PYTHONPATH": os.pathsep.join(places)}


def has_plugin() -> bool:
    """Whether `with_plugin` gives it: always, where `make test` finds a SLURM."""
    return _is_installed() or _APART.is_dir()


def _is_installed() -> bool:
    return find_spec("snakemake_executor_plugin_slurm") is not None


class Slurm:
    """A controller and a node."""

    def __init__(self, home: Path, cpus: int | None = None) -> None:
        self.home, self._cpus = home, cpus or os.cpu_count()
        self._daemons = ExitStack()
        # a job's control group is named after its number alone, and that of a cluster that was
        # killed is still there
        self._first = int(time.time()) % 600_000 * 100 + 1

    def __enter__(self) -> "Slurm":
        with self._daemons:  # where one does not start, the others end
            self._begin()
            self._daemons = self._daemons.pop_all()
        return self

    def _begin(self) -> None:
        for name in ("state", "spool"):
            (self.home / name).mkdir(parents=True)
        self.home.chmod(0o755)
        key = self.home / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        controller, node = _free_ports(2)
        host = socket.gethostname().split(".")[0]
        limited = has_memory_limits()
        text = _CONF.format(
            home=self.home,
            host=host,
            gives_way=GIVES_WAY,
            short=SHORT,
            controller=controller,
            node=node,
            cpus=self._cpus,
            first=self._first,
            tasks="task/cgroup" if limited else "task/none",
            # SLURM takes one of both
            enforced="" if limited else "JobAcctGatherParams=OverMemoryKill",
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 512,
        )
        (self.home / "slurm.conf").write_text(text)
        (self.home / "cgroup.conf").write_text(_CGROUP_CONF)
        # the executor plugin takes SLURM_CONF out of its jobs' environment
        DEFAULT_CONF.parent.mkdir(exist_ok=True)
        for name in ("slurm.conf", "cgroup.conf"):
            place = DEFAULT_CONF.with_name(name)
            place.symlink_to(self.home / name)
            self._daemons.callback(place.unlink)
        files = [f"--{kind}-file={self.home}/munge.{kind}" for kind in _MUNGE_FILES]
        place = f"--socket={self.home}/munge.socket"
        self._start("munged", "--foreground", "--force", place, *files)
        _wait_for(lambda: (self.home / "munge.socket").exists(), "munged")
        self._controller = self._start("slurmctld", "-D", "-c")
        self._start("slurmd", "-D", "-N", host)
        _wait_for(lambda: self._state() in _USABLE, "slurmd")

    def __exit__(self, *_: object) -> None:
        with self._daemons:
            self.recover()
        for job in _GROUPS.glob("slurm*/uid_*/job_*"):
            if int(job.name.removeprefix("job_")) >= self._first:
                for group in (*sorted(job.glob("**/"), reverse=True), job):
                    with suppress(OSError):  # gone, or of a cluster that runs
                        group.rmdir()

    def ask(self, *command: str) -> str:
        """Output of one of SLURM's commands."""
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """What the controller knows of all jobs, the first one first."""
        lines = self.ask("scontrol", "--oneliner", "show", "jobs").splitlines()
        return [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in lines
            if line.startswith("JobId=")
        ]

    def end(self, job: str) -> None:
        """Let the time limit of a job that runs be now, instead of in a minute at the soonest.

        In two seconds: it refuses a time that is over when it is heard of.
        """
        soon = datetime.now() + timedelta(seconds=2)  # noqa: DTZ005 - SLURM's are local
        self.ask(
            "scontrol", "update", f"JobId={job}", f"EndTime={soon.isoformat(timespec='seconds')}"
        )

    def take_memory(self, job: str) -> None:
        """Leave a job no more memory than it has at this moment, as if it had asked for too little.

        The kernel refuses limits that it cannot get the job under.
        """
        (group,) = _GROUPS.glob(f"slurm*/uid_*/job_{job}")
        lines = (group / "memory.stat").read_text().splitlines()
        used = int(dict(line.split() for line in lines)["total_rss"])
        for more in range(1, 64):
            with suppress(OSError):
                (group / "memory.limit_in_bytes").write_text(str(used + more * 2**20))
                return
        raise TimeoutError(f"job {job}: its memory cannot be limited")

    def lose_node(self) -> None:
        """As when it dies, and is back after the jobs were taken from it."""
        self.ask("scontrol", "update", "NodeName=ALL", "State=DOWN", "Reason=test")
        _wait_for(lambda: not self.ask("squeue", "-h", "-t", "R"), "end of the jobs")
        # a job that comes back to a node where it has not ended yet makes SLURM give the node up
        _wait_for(lambda: not self._steps(), "end of the jobs' processes")
        self.ask("scontrol", "update", "NodeName=ALL", "State=RESUME")

    def _steps(self) -> list[Path]:
        """Sockets of what runs on the node, whatever the controller takes for ended."""
        return [path for path in (self.home / "spool").iterdir() if path.is_socket()]

    def recover(self) -> None:
        """Leave nothing of a test that failed to the next one."""
        if self._controller.poll() is not None:  # the test failed while it was away
            self.start_controller()
            _wait_for(lambda: "UP" in self.ask("scontrol", "ping"), "slurmctld")
        self.ask("scancel", "--user=root", "--quiet")
        # the end of a job is said to the controller, again and again where that is gone
        _wait_for(lambda: not self.ask("squeue", "-h") and not self._steps(), "end of the jobs")
        if self._state() not in _USABLE:
            self.ask("scontrol", "update", "NodeName=ALL", "State=RESUME")
            _wait_for(lambda: self._state() in _USABLE, "node")

    def _state(self) -> str:
        return self.ask("sinfo", "-h", "-p", "main", "-o", "%T")

    def run_now(self, job: str) -> None:
        """A job that was put back into the queue would wait for two minutes."""
        _wait_for(lambda: "PENDING" in self.ask("squeue", "-h", "-j", job, "-o", "%T"), "requeue")
        self.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def kill_controller(self) -> None:
        """As when its machine dies, but for the last seconds, which it would know nothing of.

        It would start the jobs of these seconds a second time, and give up the node over that.
        """
        saved, now = self.home / "state" / "job_state", time.time()
        for job in self.ask("squeue", "-h", "-t", "R", "-o", "%A").split():
            self.ask("scontrol", "update", f"JobId={job}", "AdminComment=something to save")
        _wait_for(lambda: saved.exists() and saved.stat().st_mtime > now, "saving of the state")
        self._controller.kill()
        self._controller.wait()

    def start_controller(self) -> None:
        """It goes on from the state that it saved."""
        self._controller = self._start("slurmctld", "-D")

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        log = self._daemons.enter_context((self.home / f"{command[0]}.out").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._daemons.callback(_end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(ready, what: str) -> None:
    end = time.monotonic() + _DEADLINE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not start")
        time.sleep(0.1)
