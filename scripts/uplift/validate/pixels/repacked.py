"""Check arrays whose chunk bytes were kept: the bytes are compared and decoded once."""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.readers import Reader, ReaderError, open_reader
from uplift.grid import Index
from uplift.parallel import in_order
from uplift.validate.pixels.compare import same_bits
from uplift.validate.pixels.slabs import ArrayHash, Box, relative
from uplift.validate.pixels.subject import Subject, Tally, filled_array, inside

_TASK_BYTES = 2 * 2**20
_TASK_CHUNKS = 256
_GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, no flags, no time, unknown system (RFC 1952): what a re-wrapped stream begins with."""
_RUNS_AHEAD = 16
"""Runs of a remote store that are read at once, of the source and of the output."""
_AHEAD_BYTES = 64 * 2**20
Slab = tuple[Box, NDArray[Any]]
Task = tuple[list[Index], Slab | None]
Read = tuple[list[Index], list[bytes | None], list[bytes | None], Slab | None]


class RepackCheck:
    """Compares the encoded chunks of an item with its source, and decodes each once."""

    def __init__(self, subject: Subject, threads: int) -> None:
        self._subject = subject
        self._threads = threads
        self._present = (
            None if subject.stored is None else set(itertools.chain(*subject.stored.values()))
        )
        self._samples: dict[Index, NDArray[Any] | None] = dict.fromkeys(self._sampled())

    def run(self, pool: Executor | None, slabs: list[Box] | None) -> tuple[Tally, str | None]:
        """Check everything; with `slabs` also make the digest of the whole array."""
        subject, total = self._subject, Tally()
        subject.check_presence()
        for _ in in_order(pool, self._check_index, subject.positions(), 2 * self._threads):
            pass
        if slabs is None:
            runs = (
                (run, None)
                for position in subject.positions()
                for run in self._runs(self._chunks_of(position))
            )
            for tally in self._compared(pool, runs):
                total += tally
            sha256 = None
        else:
            sha256 = self._run_slabs(pool, slabs, total)
        self._read_samples()
        return total, sha256

    def _run_slabs(self, pool: Executor | None, slabs: list[Box], total: Tally) -> str:
        digest = ArrayHash(self._subject.decoder.dtype, threaded=pool is not None)
        fill = None if self._present is None and not self._subject.bad else self._subject.fill
        try:
            for box in slabs:
                slab = (box, digest.buffer(box, fill))
                runs = ((run, slab) for run in self._runs(self._chunks_in(box)))
                for tally in self._compared(pool, runs):
                    total += tally
                digest.feed(slab[1])
            return digest.hexdigest()
        finally:
            digest.close()

    def _check_index(self, position: int) -> None:
        subject = self._subject
        expected: list[Index] | None = None
        if subject.stored is not None:
            expected = subject.stored[position]
        if subject.bad:
            chunks = self._chunks_of(position) if expected is None else expected
            expected = [chunk for chunk in chunks if not subject.filled(chunk)]
            if not expected:
                return
        subject.objects.check_index(position, expected)

    def _chunks_of(self, position: int) -> list[Index]:
        if self._subject.stored is not None:
            return self._subject.stored[position]
        return list(self._subject.objects.chunks_of(position))

    def _chunks_in(self, box: Box) -> list[Index]:
        chunks = self._subject.item.source.chunks
        region = tuple(
            (low // c, grid.ceil_div(high, c)) for (low, high), c in zip(box, chunks, strict=True)
        )
        found = grid.indices_in(region)
        return [i for i in found if self._present is None or i in self._present]

    def _runs(self, chunks: list[Index]) -> Iterator[list[Index]]:
        """Cut into tasks that stay inside one shard."""
        step = max(1, min(_TASK_CHUNKS, _TASK_BYTES // self._subject.chunk_bytes))
        groups: dict[int, list[Index]] = {}
        if self._subject.item.target.shards is None:
            groups[0] = chunks
        else:
            for chunk in chunks:
                groups.setdefault(self._subject.objects.position_of(chunk), []).append(chunk)
        for group in groups.values():
            for first in range(0, len(group), step):
                yield group[first : first + step]

    def _compared(self, pool: Executor | None, runs: Iterable[Task]) -> Iterator[Tally]:
        """Read and compare; from far away many runs are read ahead of the comparing threads."""
        if self._subject.is_local or pool is None:
            return in_order(
                pool, lambda task: self._compare(self._read(task)), runs, 2 * self._threads
            )
        return self._compared_remote(pool, runs)

    def _compared_remote(self, pool: Executor, runs: Iterable[Task]) -> Iterator[Tally]:
        run_bytes = max(_TASK_BYTES, self._subject.chunk_bytes)
        ahead = max(2, min(_RUNS_AHEAD, _AHEAD_BYTES // (2 * run_bytes)))
        with ThreadPoolExecutor(ahead, thread_name_prefix="ahead") as readers:
            read = in_order(readers, self._read, runs, ahead)
            yield from in_order(pool, self._compare, read, 2 * self._threads)

    def _read(self, task: Task) -> Read:
        chunks, slab = task
        after = self._subject.objects.read(chunks)
        return chunks, list(self._subject.chunks.read(chunks)), after, slab

    def _compare(self, read: Read) -> Tally:
        chunks, sources, outputs, slab = read
        subject, tally = self._subject, Tally()
        for chunk, before, after in zip(chunks, sources, outputs, strict=True):
            decoded = subject.decode(before, chunk)
            if decoded is None or before is None:
                continue
            values, sound = decoded.values, before[: len(before) - decoded.trailing_bytes]
            box = subject.box_of(chunk)
            if slab is not None:
                slab[1][relative(box, slab[0])] = inside(values, box)
            tally.rows.append(subject.row(chunk, values))
            if self._is_kept(chunk, sound, after, values):
                tally.chunks += 1
                tally.compared_bytes += values.nbytes
                if chunk in self._samples:
                    self._samples[chunk] = inside(values, box)
        subject.compared.add(len(chunks))
        return tally

    def _is_kept(
        self, chunk: Index, before: bytes, after: bytes | None, values: NDArray[Any]
    ) -> bool:
        subject = self._subject
        if after == before:
            return True
        if subject.filled(chunk):
            return False
        key = subject.objects.key(subject.objects.position_of(chunk))
        if after is None:
            if subject.item.target.shards is None:
                text = f"{key}: absent, but {subject.chunks.key_of(chunk)} is stored in the source"
                subject.findings.error("chunk.missing", subject.path, text)
            return False
        if subject.item.method == "rewrap" and self._is_rewrapped(before, after, values):
            return True
        if chunk in subject.bad:
            return self._reads_same(chunk, values)
        text = f"{key}: chunk {chunk} holds other bytes than {subject.chunks.key_of(chunk)}"
        subject.findings.error("chunk.bytes_differ", subject.path, text)
        return False

    def _is_rewrapped(self, before: bytes, after: bytes, values: NDArray[Any]) -> bool:
        """Whether a gzip stream holds a zlib stream's body (RFC 1950, RFC 1952)."""
        if values.dtype.hasobject:
            return False
        stored = np.ascontiguousarray(values.transpose(self._subject.decoder.chain.order))
        raw = stored.reshape(-1).view(np.uint8)
        trailer = struct.pack("<II", zlib.crc32(raw.data), raw.nbytes & 0xFFFFFFFF)
        return after[:10] == _GZIP_HEADER and after[-8:] == trailer and after[10:-8] == before[2:-4]

    @cached_property
    def _reader(self) -> Reader:
        subject = self._subject
        return open_reader(subject.output, subject.path, self._threads, subject.root_document)

    def _reads_same(self, chunk: Index, values: NDArray[Any]) -> bool:
        box = self._subject.box_of(chunk)
        return self._region_is(chunk, box, inside(values, box))

    def _region_is(self, chunk: Index, box: Box, expected: NDArray[Any]) -> bool:
        subject = self._subject
        try:
            read = self._reader.read(tuple(slice(a, b) for a, b in box))
        except ReaderError as error:
            subject.findings.error("reader.refuses", subject.path, f"chunk {chunk}: {error}")
            return False
        if same_bits(read, expected):
            return True
        text = f"chunk {chunk}: {self._reader.name} reads other values than the source has"
        subject.findings.error("reader.differs", subject.path, text)
        return False

    def _sampled(self) -> list[Index]:
        """First and last stored chunk: what a reader is asked for besides."""
        positions = list(itertools.islice(self._subject.positions(), 1))
        if not positions:
            return []
        ordered = self._subject.positions()
        last = max(ordered) if self._subject.stored is not None else self._subject.item.stop - 1
        return [self._chunks_of(positions[0])[0], self._chunks_of(last)[-1]]

    def _read_samples(self) -> None:
        """Have another reader find the same values by following the array's own document."""
        for chunk, values in self._samples.items():
            if values is not None:
                self._region_is(chunk, self._subject.box_of(chunk), values)
        absent = self._first_absent()
        if absent is not None:
            box, dtype = self._subject.box_of(absent), self._subject.decoder.dtype
            self._region_is(absent, box, filled_array(box, dtype, self._subject.fill))

    def _first_absent(self) -> Index | None:
        """First chunk of the item that the source does not store."""
        if self._present is None or not math.prod(self._subject.objects.grid):
            return None
        item, objects = self._subject.item, self._subject.objects
        return next(
            (
                chunk
                for position in range(item.start, item.stop)
                for chunk in objects.chunks_of(position)
                if chunk not in self._present
            ),
            None,
        )
