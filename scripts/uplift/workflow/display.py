"""Lines on a terminal, with progress bars below them; elsewhere a line now and then."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from uplift.models.words import counted, size_text
from uplift.workflow.watch import Status, Watch

EVERY_S = 30.0
"""Seconds between lines on progress where there is no terminal."""
_SHOWN = 12
"""Datasets shown at once."""
_TICK_S = 0.25
_BAR = 16
_GAP = 2
_APART = _GAP * " "


class Display(Protocol):
    """Where lines go."""

    def start(self, results: Path) -> None:
        """Begin to show progress of the datasets below a folder."""

    def show(self, dataset: str, steps: str) -> None:
        """Show the running steps of a dataset; an empty text: none."""

    def count(self, text: str) -> None:
        """Show how many datasets are done, above those that are being processed."""

    def note(self, text: str) -> None:
        """Print a line."""

    def done(self, text: str) -> None:
        """Print a line about a dataset that is finished."""

    def stumbled(self, text: str) -> None:
        """Print a line about a dataset that failed, while others continue."""

    def warned(self, text: str) -> None:
        """Print a warning."""

    def failed(self, text: str) -> None:
        """Print why something failed."""

    def stop(self) -> None:
        """End the display of progress; may be called twice."""


def display_for(stream: TextIO) -> Display:
    """Choose the display for a stream."""
    return TerminalDisplay(stream) if stream.isatty() else PlainDisplay(stream)


@dataclass
class Work:
    """Running steps and progress of the datasets."""

    results: Path = Path()
    counted: str = ""
    _steps: dict[str, str] = field(default_factory=dict)
    _watches: dict[str, Watch] = field(default_factory=dict)

    def show(self, dataset: str, steps: str) -> None:
        """Keep what is being done with a dataset."""
        self._steps[dataset] = steps
        self._watches.setdefault(dataset, Watch(self.results / dataset))

    def rows(self) -> Iterator[tuple[str, str, Status | None]]:
        """Datasets that are being worked on, how, and how far those are that are converted now."""
        busy = [name for name, text in list(self._steps.items()) if text]
        for name in busy[:_SHOWN]:
            status = self._watches[name].status()
            yield name, self._steps[name], None if status and status.is_done else status
        if len(busy) > _SHOWN:
            yield f"and {len(busy) - _SHOWN} more", "", None


class PlainDisplay:
    """Lines for files and pipes."""

    def __init__(self, stream: TextIO, every: float = EVERY_S) -> None:
        self._stream, self._every = stream, every
        self._work = Work()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, results: Path) -> None:
        """Begin to print progress now and then."""
        self._work.results = results
        if self._thread is None:
            # a daemon, so that no way to end the workflow waits for it
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()

    def show(self, dataset: str, steps: str) -> None:
        """Keep what is being done, for the next time."""
        self._work.show(dataset, steps)

    def count(self, text: str) -> None:
        """Keep how many are done, for the next time."""
        self._work.counted = text

    def note(self, text: str) -> None:
        """Print a line."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    done = stumbled = warned = failed = note

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _tick(self) -> None:
        while not self._stopped.wait(self._every):
            for line in progress_lines(self._work):
                self.note(line)


def progress_lines(work: Work) -> Iterator[str]:
    """How many datasets are done, and a line for each that is being processed."""
    if work.counted:
        yield work.counted
    for name, steps, status in work.rows():
        text = f"{name}: {steps}" if steps else name
        yield ", ".join([text, *(status_texts(status) if status else ())])


def status_texts(status: Status) -> list[str]:
    """Share, time left, bytes, rate and shards: what matters most first."""
    texts = [f"{100 * status.share:.0f} %"]
    if status.rate > 0 and status.left:
        texts.append(f"{clock(status.left)} left")
    of = f" of {size_text(status.planned_bytes)}" if status.planned_bytes > status.bytes else ""
    texts.append(f"{size_text(status.bytes)}{of}")
    if status.rate > 0:
        texts.append(f"{size_text(status.rate)}/s")
    texts.append(counted(status.objects, "shard"))
    return texts


def clock(seconds: float) -> str:
    """Write a span of time as a clock does."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class TerminalDisplay:
    """Lines in color, and a bar for each dataset that is being processed, drawn by rich."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._work = Work()
        self._live: Any = None
        # rich measures the picture and writes it in two steps: where its own thread draws one of
        # another height in between, a line that was printed is wiped out
        self._lock = threading.RLock()
        self._stopped = threading.Event()

    def start(self, results: Path) -> None:
        """Begin to draw, four times a second."""
        from rich.live import Live

        self._work.results = results
        with self._lock:
            if self._live is None:
                self._live = Live(
                    get_renderable=self._drawn,
                    console=self._console,
                    auto_refresh=False,
                    transient=True,
                )
                self._live.start(refresh=True)
                # a daemon, so that no way to end the workflow waits for it
                threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while not self._stopped.wait(_TICK_S):
            with self._lock:
                if self._live is not None:
                    self._live.refresh()

    def _print(self, text: str, **how: Any) -> None:
        with self._lock:
            self._console.print(text, **how)

    def show(self, dataset: str, steps: str) -> None:
        """Keep what is being done, for the next picture."""
        self._work.show(dataset, steps)

    def count(self, text: str) -> None:
        """Keep how many are done, for the next picture."""
        self._work.counted = text

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._print(text, markup=False)

    def done(self, text: str) -> None:
        """Print a line with a green mark."""
        self._print(f"[green]✓[/green] {_escaped(text)}")

    def stumbled(self, text: str) -> None:
        """Print a line with a red mark."""
        self._print(f"[red]✗[/red] {_escaped(text)}")

    def warned(self, text: str) -> None:
        """Print in yellow."""
        self._print(text, style="yellow", markup=False)

    def failed(self, text: str) -> None:
        """Print in red."""
        self._print(text, style="red", markup=False)

    def stop(self) -> None:
        """Remove the bars."""
        with self._lock:
            self._stopped.set()
            if self._live is not None:
                self._live.stop()
                self._live = None

    def _drawn(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Column, Table
        from rich.text import Text

        rows = list(self._work.rows())
        said = [
            (name, steps, status_texts(status) if status else []) for name, steps, status in rows
        ]
        grid = Table.grid(*(Column(no_wrap=True) for _ in range(4)), padding=(0, _GAP))
        for (*_, status), (name, steps, texts) in zip(
            rows, fitting(said, self._console.width), strict=True
        ):
            bar = ProgressBar(1.0, status.share, width=_BAR) if status else ""
            grid.add_row(Text(name), Text(steps), bar, Text(_APART.join(texts)))
        return Group(Text(self._work.counted), grid) if self._work.counted else grid


Row = tuple[str, str, list[str]]
"""Name of a dataset, its running steps, and its progress, most important first."""


def fitting(rows: Sequence[Row], width: int) -> list[Row]:
    """Leave out the last texts of rows, then shorten names in their middle, as far as needed.

    Parameters
    ----------
    rows
        What is to be shown.
    width
        Of the terminal, in columns.
    """
    names, steps = (max((len(row[at]) for row in rows), default=0) for at in (0, 1))
    available = width - names - steps - _BAR - 3 * _GAP
    kept = [_leading(texts, available) for _, _, texts in rows]
    widest = max((len(_APART.join(texts)) for texts in kept), default=0)
    most = width - steps - _GAP - (_BAR + widest + 2 * _GAP if widest else 0)
    return [
        (_shortened(name, max(8, most)), doing, texts)
        for (name, doing, _), texts in zip(rows, kept, strict=True)
    ]


def _leading(texts: list[str], available: int) -> list[str]:
    """As many as fit, at least the first one."""
    count = len(texts)
    while count > 1 and len(_APART.join(texts[:count])) > available:
        count -= 1
    return texts[:count]


def _shortened(name: str, most: int) -> str:
    """A name shortened in its middle, so that its end still distinguishes it."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
