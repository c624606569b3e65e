"""A real S3 server on loopback: Ceph RGW with one monitor and one store in memory.

Starts in a few seconds on free ports, in a folder of its own; needs root, as the daemons do.
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

PACKAGES = "radosgw ceph-mon ceph-osd ceph-common"
PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool")
USER = ("testkey", "testsecret")
_DEADLINE = 60.0

_CONF = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {home}/keyring
run dir = {home}/run
admin socket = {home}/run/$name.$pid.asok
log file = {home}/log/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd pool default crush rule = 0
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 2
mon pg warn min per osd = 0
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
paxos propose interval = 0.05
paxos min wait = 0.01
[mon.a]
mon data = {home}/mon
[osd.0]
osd data = {home}/osd
osd objectstore = memstore
memstore device bytes = {memory}
osd client watch timeout = 3
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 64
rgw dns name = localhost
rgw enable usage log = false
rgw enable ops log = false
rgw multipart min part size = 1024
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
"""


def why_not() -> str | None:
    """What keeps the server from starting here, or None."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"no {missing[0]}; install the Debian packages {PACKAGES}"
    return None if os.geteuid() == 0 else "Ceph's daemons want to be started by root"


class Rgw:
    """The server while it runs; `endpoint` is its URL, `memory` what it may hold."""

    def __init__(self, home: Path, memory: str = "2G") -> None:
        self.home = home
        self.port, v2, v1 = _free_ports(3)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._daemons: list[subprocess.Popen[bytes]] = []
        for name in ("mon", "osd", "run", "log"):
            (home / name).mkdir(parents=True)
        self._conf = home / "ceph.conf"
        fsid = str(uuid.uuid4())
        text = _CONF.format(fsid=fsid, home=home, port=self.port, v1=v1, v2=v2, memory=memory)
        self._conf.write_text(text)
        try:
            self._start(fsid, f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the daemons, the last one started first."""
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()

    def kill_gateway(self) -> None:
        """Kill the S3 front end; what it has stored stays."""
        gateway = self._daemons.pop()
        gateway.kill()
        gateway.wait()

    def start_gateway(self) -> None:
        """Start the S3 front end (again)."""
        self._daemon("radosgw", "-n", "client.rgw.a")
        self._wait(self._answers)

    def _start(self, fsid: str, address: str) -> None:
        self._keys()
        monmap = str(self.home / "monmap")
        _run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap)
        keyring = str(self.home / "keyring")
        self._ceph("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._daemon("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._ceph("ceph", "--connect-timeout", "20", "osd", "new", osd, "0")
        self._ceph("ceph-osd", "-i", "0", "--osd-uuid", osd, "--mkfs")
        self._daemon("ceph-osd", "-i", "0")
        self._wait(lambda: "1 up" in self._ceph("ceph", "--connect-timeout", "20", "osd", "stat"))
        self.start_gateway()
        self._ceph(
            *("radosgw-admin", "-n", "client.rgw.a", "user", "create", "--uid=test"),
            *("--display-name=test", f"--access-key={USER[0]}", f"--secret-key={USER[1]}"),
        )

    def _keys(self) -> None:
        keyring = str(self.home / "keyring")
        _run("ceph-authtool", "-C", keyring, "-g", "-n", "mon.", "--cap", "mon", "allow *")
        for name in ("client.admin", "client.rgw.a", "osd.0"):
            caps = [word for kind in ("mon", "osd", "mgr") for word in ("--cap", kind, "allow *")]
            _run("ceph-authtool", keyring, "-g", "-n", name, *caps)

    def _ceph(self, program: str, *arguments: str) -> str:
        return _run(program, "-c", str(self._conf), *arguments)

    def _daemon(self, program: str, *arguments: str) -> None:
        log = (self.home / "log" / f"{program}.out").open("wb")
        with log:
            daemon = subprocess.Popen(
                [program, "-c", str(self._conf), *arguments, "-f"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._daemons.append(daemon)

    def _wait(self, ready) -> None:
        end = time.monotonic() + _DEADLINE
        while not ready():
            if time.monotonic() > end or any(d.poll() is not None for d in self._daemons):
                raise RuntimeError(f"the S3 server does not start; see {self.home}/log")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def _free_ports(count: int) -> list[int]:
    with_ports = [socket.socket() for _ in range(count)]
    try:
        for one in with_ports:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in with_ports]
    finally:
        for one in with_ports:
            one.close()
