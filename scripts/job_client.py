"""Have the job server run a program: ``job_client.py SOCKET PROGRAM ARGUMENT ...``.

Ends as the program ends. Where there is no server, it becomes the program. Runs with ``-I -S``, and
imports what Python has built in, since every job starts it.
"""

try:
    import _signal  # type: ignore[import-not-found]  # signal takes ten times as long

    # First of all: Ctrl-C before the program runs ends this without a traceback. What this becomes
    # has its own way.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
except ImportError:  # not CPython
    _signal = None

import os
import sys

if _signal is None:
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])  # noqa: S606
import _socket


def main() -> int:
    """Send the request, and wait for the end of the program."""
    socket_path, *argv = sys.argv[1:]
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(socket_path)
        _send(connection, argv)
        is_started = connection.recv(1) == b"s"
    except OSError:
        is_started = False
    if not is_started:
        os.execv(sys.executable, [sys.executable, *argv])  # noqa: S606
    # Ctrl-C is for the program, which has got it, too
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    try:
        status = connection.recv(1)
    except OSError:
        status = b""
    return status[0] if status else 128 + _signal.SIGKILL  # nobody knows how it ended


def _send(connection: _socket.socket, argv: list[str]) -> None:
    """Send standard input, output and error, then folder, environment and command line."""
    environment = [b"=".join(pair) for pair in os.environb.items()]
    folder = os.getcwdb()  # noqa: PTH109 - as bytes
    words = [folder, b"%d" % len(environment), *environment, *map(os.fsencode, argv)]
    request = b"\0".join(words)
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    length = len(request).to_bytes(8, "big")
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)
    connection.sendmsg([length], [rights])
    connection.sendall(request)


if __name__ == "__main__":
    sys.exit(main())
