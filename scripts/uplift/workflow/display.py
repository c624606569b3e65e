"""Lines on a terminal, with a display that moves below them; elsewhere a line now and then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO

from uplift.workflow.watch import Status, Watch

EVERY_S = 30.0
"""Between lines on progress where there is no terminal."""
_SHOWN = 12
"""Datasets shown at once."""


class Display(Protocol):
    """Where lines go."""

    def start(self, results: Path) -> None:
        """Begin to show progress of the datasets below a folder."""

    def show(self, dataset: str, steps: str) -> None:
        """Say what is being done with a dataset; an empty text: nothing."""

    def note(self, text: str) -> None:
        """Print a line."""

    def done(self, text: str) -> None:
        """Print a line about a dataset that is finished."""

    def stumbled(self, text: str) -> None:
        """Print a line about a dataset that failed, while others go on."""

    def failed(self, text: str) -> None:
        """Print why something failed."""

    def stop(self) -> None:
        """End the display of progress; may be called twice."""


def display_for(stream: TextIO) -> Display:
    """Choose by where the lines go."""
    return TerminalDisplay(stream) if stream.isatty() else PlainDisplay(stream)


class PlainDisplay:
    """Lines for files and pipes."""

    def __init__(self, stream: TextIO, every: float = EVERY_S) -> None:
        self._stream, self._every = stream, every
        self._steps: dict[str, str] = {}
        self._watches: dict[str, Watch] = {}
        self._results = Path()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, results: Path) -> None:
        """Begin to print progress now and then."""
        self._results = results
        if self._thread is None:
            # a daemon, so that no way to end the workflow waits for it
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()

    def show(self, dataset: str, steps: str) -> None:
        """Keep what is being done, for the next time."""
        self._steps[dataset] = steps
        self._watches.setdefault(dataset, Watch(self._results / dataset))

    def note(self, text: str) -> None:
        """Print a line."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    done = stumbled = failed = note

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _tick(self) -> None:
        while not self._stopped.wait(self._every):
            for line in progress_lines(self._steps, self._watches):
                self.note(line)


def progress_lines(steps: dict[str, str], watches: dict[str, Watch]) -> Iterator[str]:
    """A line for each dataset that is being worked on."""
    busy = [name for name, text in list(steps.items()) if text]
    for name in busy[:_SHOWN]:
        status = watches[name].look()
        yield f"{name}: {steps[name]}{', ' + status_text(status) if status else ''}"
    if len(busy) > _SHOWN:
        yield f"and {len(busy) - _SHOWN} more"


def status_text(status: Status) -> str:
    """Share, bytes, shards, rate and time left."""
    text = f"{100 * status.share:.0f} %, {size(status.bytes)}"
    if status.planned_bytes:
        text += f" of {size(status.planned_bytes)}"
    text += f", {status.objects} {'shard' if status.objects == 1 else 'shards'}"
    if status.rate > 0 and status.share < 1:
        text += f", {size(status.rate)}/s"
        text += "" if status.left is None else f", {clock(status.left)} left"
    return text


def size(count: float) -> str:
    """Write bytes for people (1 kB is 1000 bytes)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def clock(seconds: float) -> str:
    """Write a span of time as a clock does."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class TerminalDisplay:
    """Lines in color, and a bar for each dataset that is being worked on, drawn by rich."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._steps: dict[str, str] = {}
        self._watches: dict[str, Watch] = {}
        self._results = Path()
        self._live: Any = None

    def start(self, results: Path) -> None:
        """Begin to draw, four times a second."""
        from rich.live import Live

        self._results = results
        if self._live is None:
            self._live = Live(
                get_renderable=self._drawn,
                console=self._console,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()

    def show(self, dataset: str, steps: str) -> None:
        """Keep what is being done, for the next picture."""
        self._steps[dataset] = steps
        self._watches.setdefault(dataset, Watch(self._results / dataset))

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, markup=False)

    def done(self, text: str) -> None:
        """Print a line with a green mark."""
        self._console.print(f"[green]✓[/green] {_escaped(text)}")

    def stumbled(self, text: str) -> None:
        """Print a line with a red mark."""
        self._console.print(f"[red]✗[/red] {_escaped(text)}")

    def failed(self, text: str) -> None:
        """Print in red."""
        self._console.print(text, style="red", markup=False)

    def stop(self) -> None:
        """Take the bars away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawn(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for _ in range(4):
            grid.add_column(no_wrap=True, overflow="ellipsis")
        busy = [name for name, text in list(self._steps.items()) if text]
        for name in busy[:_SHOWN]:
            status = self._watches[name].look()
            bar = ProgressBar(1.0, status.share, width=16) if status else ""
            text = status_text(status) if status else ""
            grid.add_row(_escaped(name), self._steps[name], bar, text)
        if len(busy) > _SHOWN:
            grid.add_row(f"and {len(busy) - _SHOWN} more")
        return grid


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
