"""The server that forks, and the account of all kills at the end."""

from collections.abc import Iterator

import pytest

from crash.server import Server
from crash.tally import TALLIES


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def pytest_terminal_summary(terminalreporter) -> None:
    if TALLIES:
        terminalreporter.section("kills")
        for kind, tally in sorted(TALLIES.items()):
            terminalreporter.write_line(f"{kind}: {tally}")
