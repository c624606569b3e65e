"""What each process of a job opens: both sides of a dataset, and how to convert and validate it."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from uplift.convert.engine import Read
from uplift.models.record import Verify
from uplift.outputs import hold
from uplift.running.parallel import Helpers, Turns
from uplift.storage import is_on_network, open_store
from uplift.storage.caps import most_processes, set_part, share_of
from uplift.storage.protocol import Store, has_round_trips
from uplift.storage.settings import engines_of, options_for
from uplift.storage.urls import display_url

_ARRAYS_AT_ONCE = 64
"""Small arrays that a process handles at the same time where each read is a round trip, over all
its groups: one for each request that it may make. The groups share threads: these keep codecs."""
_FILES_AT_ONCE = 16
"""The same where both sides are files of a network file system: each thread keeps buffers that are
as large as the largest chunk it met."""
_READING = 2
"""Large portions of a remote store that a process may read at the same time: if it read all, it
would also send and read back all at the same time, and the source would be idle."""


@dataclass(frozen=True)
class Settings:
    """How to convert and validate; changes no byte of a dataset without bad chunks.

    Attributes
    ----------
    fill_bad_chunks
        Whether chunks that cannot be decoded are replaced by the fill value.
    verify
        ``once`` or ``reread``.
    with_sums
        Whether to make SHA-256 sums of the stored objects.
    threads
        Threads of each process, which encode the chunks of one large object.
    large_bytes
        Decoded bytes from which on an object is a large one.
    in_shares
        Whether several processes validate a large object, each a share of it.
    """

    fill_bad_chunks: bool = False
    verify: Verify = "once"
    with_sums: bool = False
    threads: int = 1
    large_bytes: int = 0
    in_shares: bool = False


@dataclass
class Context:
    """Both sides of a dataset, opened by one process."""

    source: Store
    output: Any
    settings: Settings
    read: Read = lambda _: None
    turns: Turns = field(default_factory=lambda: Turns(_READING))
    """Of portions that are large, at reading."""

    @cached_property
    def helpers(self) -> Helpers:
        """Threads for one object; started when they are needed."""
        return Helpers(self.settings.threads)

    @cached_property
    def each(self) -> Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]:
        """How to apply a function to each array of a group, in order.

        Where a side has round trips, to all at the same time: an array takes several of them in a
        row, and the size of a group is bounded. With files on a disk one by one, each while it is
        in the cache.
        """
        if not self.has_round_trips:
            return map
        at_once = (
            _FILES_AT_ONCE if self.source.is_local and self.output.is_local else _ARRAYS_AT_ONCE
        )
        return ThreadPoolExecutor(at_once, thread_name_prefix="array").map

    @property
    def has_round_trips(self) -> bool:
        """Whether each read of a side is a round trip: then threads work in parallel."""
        return has_round_trips(self.source, self.output)


@dataclass(frozen=True)
class Locations:
    """Where source and output are, and how to open them, which each process does.

    Attributes
    ----------
    source, output
        URLs.
    claim
        ``claim.json`` of the output; None: it is only read.
    storage
        The config's ``storage`` section.
    durability
        ``fsync`` or ``none``.
    """

    source: str
    output: str
    claim: Path | None
    storage: Mapping[str, Any] = field(default_factory=dict)
    durability: str = "fsync"

    def engines(self) -> list[str]:
        """Modules that opening imports, where a side is remote."""
        return engines_of(self.ends, self.storage)

    @property
    def is_on_network(self) -> bool:
        """Whether a side is on a network file system."""
        return any(map(is_on_network, self.ends))

    @property
    def ends(self) -> tuple[str, str]:
        """Both URLs."""
        return self.source, self.output

    @property
    def most_processes(self) -> int:
        """Worker processes that can share what the job may ask of a site."""
        ends = [(url, options_for(display_url(url), self.storage)) for url in self.ends]
        shares = filter(None, itertools.starmap(share_of, ends))
        return min(map(most_processes, shares), default=sys.maxsize)

    def open(
        self, settings: Settings, read: Read = lambda _: None, *, part: float = 1.0
    ) -> Context:
        """Open both sides in one of the job's processes, which share what it may ask of a site.

        Parameters
        ----------
        settings
            How to convert and validate.
        read
            Called with the bytes that are read of the source.
        part
            Of what the job may ask of a site.

        Returns
        -------
        Context
            Both sides, open.
        """
        set_part(part)
        source = open_store(self.source, self.storage)
        if self.claim is None:
            return Context(source, open_store(self.output, self.storage), settings, read)
        output = hold(self.output, self.claim, self.storage, durability=self.durability)
        return Context(source, output, settings, read)
