"""The bare work of a conversion: how fast it could go, without checks and without Snakemake.

Packs the chunks of a dense Zarr v2 source into the shards of a plan, reads the shards back, finds
each chunk's XXH3-128 again, decodes every chunk and hashes its values; on as many processes as
asked for. With ``--recode`` chunks are decoded and encoded again (blosc, zstd, level 5). With
``--compare`` tensorstore reads small arrays whole, from source and output, and both are compared.
With ``--endpoint``, source and output are ``bucket/key`` on S3, or the output is a folder.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import math
import multiprocessing
import os
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import obstore
import tensorstore
import xxhash
from numcodecs import blosc
from obstore.store import LocalStore, S3Store

LARGEST_CHUNK = 4 * 2**20
WINDOW = 8 * 2**20
SYNC_ALONE = 8 * 2**20
"""Smaller shards are synced all together in the end, as every sensible program does."""
REQUESTS = 64
"""GETs under way at once, in all processes together."""
SMALL = 16
"""Chunks that an array has at most whose elements are all compared from end to end."""

Index = tuple[int, ...]


@dataclass(frozen=True)
class Shard:
    """One object to write: key, keys of its chunks in order, bytes of a decoded chunk.

    `array` is the plan's entry where all of a small array is in this shard.
    """

    key: str
    chunks: tuple[str, ...]
    chunk_bytes: int
    array: dict[str, Any] | None


@dataclass(frozen=True)
class Task:
    """What a process needs for one shard."""

    source: str
    output: str
    shard: Shard
    recode: bool
    compare: bool
    endpoint: str | None
    requests: int


def shards_of(plan: dict[str, Any]) -> Iterator[Shard]:
    """Objects that the plan writes; sources are dense, have '/' in keys and items of 2 bytes."""
    for array in plan["arrays"]:
        path, shape, chunks = array["path"], array["shape"], array["chunks"]
        per = [s // c for s, c in zip(array["shards"] or chunks, chunks, strict=True)]
        counts = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
        is_small = math.prod(counts) <= SMALL and array["objects"] == 1
        for place in itertools.product(
            *(range(-(-n // k)) for n, k in zip(counts, per, strict=True))
        ):
            inside = (
                range(p * k, min((p + 1) * k, n))
                for p, k, n in zip(place, per, counts, strict=True)
            )
            keys = tuple(f"{path}/{_joined(index)}" for index in itertools.product(*inside))
            whole = array if is_small else None
            yield Shard(f"{path}/c/{_joined(place)}", keys, math.prod(chunks) * 2, whole)


def _joined(index: Index) -> str:
    return "/".join(map(str, index))


@functools.cache
def buffer_of(use: str, size: int) -> memoryview:
    """Memory of a process that is used again: a fresh one for each shard is filled with zeros."""
    return memoryview(bytearray(size))


def local_chunks(task: Task) -> Iterator[memoryview]:
    """Read chunk after chunk into one buffer."""
    view = buffer_of("chunk", LARGEST_CHUNK)
    for key in task.shard.chunks:
        file = os.open(f"{task.source}/{key}", os.O_RDONLY)
        length = os.readv(file, [view])
        os.close(file)
        yield view[:length]


def remote_chunks(task: Task) -> Iterator[memoryview]:
    """Read chunks with several requests under way."""
    store = store_at(task.source, task.endpoint)

    def get(key: str) -> memoryview:
        return memoryview(obstore.get(store, key).bytes())

    with ThreadPoolExecutor(task.requests) as pool:
        yield from pool.map(get, task.shard.chunks)


def store_at(place: str, endpoint: str | None) -> Any:
    """Store below ``bucket/prefix`` on S3, or below a folder."""
    if endpoint is None or place.startswith("/"):
        return LocalStore(place, mkdir=True)
    bucket, _, prefix = place.partition("/")
    return S3Store(
        bucket,
        prefix=prefix,
        endpoint=endpoint,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def work(task: Task) -> int:
    """Do one shard; bytes that were decoded."""
    blosc.use_threads = False
    chunks = remote_chunks(task) if task.endpoint else local_chunks(task)
    if task.endpoint and not task.output.startswith("/"):
        return _on_a_store(task, chunks)
    path = Path(task.output, task.shard.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w+b", buffering=0) as file:
        lengths, digests = [], []
        for chunk in chunks:
            length, digest = _kept(task, chunk, file.write)
            lengths.append(length)
            digests.append(digest)
        file.write(index_of(lengths))
        if sum(lengths) > SYNC_ALONE:
            os.fsync(file.fileno())
        decoded = _check_file(file.fileno(), lengths, digests, task.shard.chunk_bytes)
    if task.compare and task.shard.array is not None:
        _compare(task.source, task.output, task.shard.array)
    return decoded


def _kept(task: Task, chunk: memoryview, write: Any) -> tuple[int, bytes]:
    """Write a chunk, maybe encoded again; its length, and the digest to find again."""
    if not task.recode:
        write(chunk)
        return len(chunk), xxhash.xxh3_128_digest(chunk)
    values = blosc.decompress(chunk)
    encoded = blosc.compress(values, b"zstd", 5, blosc.SHUFFLE, 0, 2)
    write(encoded)
    return len(encoded), xxhash.xxh3_128_digest(values)


def _on_a_store(task: Task, chunks: Iterator[memoryview]) -> int:
    out = store_at(task.output, task.endpoint)
    lengths, digests = [], []
    with obstore.open_writer(out, task.shard.key, buffer_size=16 * 2**20) as writer:
        for chunk in chunks:
            length, digest = _kept(task, chunk, writer.write)
            lengths.append(length)
            digests.append(digest)
        writer.write(index_of(lengths))
    starts = [0, *itertools.accumulate(lengths)]
    decoded = np.empty(task.shard.chunk_bytes, "u1")
    number = 0
    for first, last in _windows(lengths, starts):
        data = obstore.get_range(out, task.shard.key, start=starts[first], end=starts[last])
        view = memoryview(data)
        for number in range(first, last):
            a = starts[number] - starts[first]
            _check(view[a : a + lengths[number]], digests[number], decoded)
    return decoded.nbytes * len(lengths)


def _windows(lengths: list[int], starts: list[int]) -> Iterator[tuple[int, int]]:
    first = 0
    for number in range(len(lengths)):
        if starts[number + 1] - starts[first] > WINDOW and number > first:
            yield first, number
            first = number
    yield first, len(lengths)


def index_of(lengths: list[int]) -> bytes:
    """A shard's index, with its CRC-32C."""
    starts = [0, *itertools.accumulate(lengths)]
    pairs = (number for pair in zip(starts, lengths, strict=False) for number in pair)
    index = struct.pack(f"<{2 * len(lengths)}Q", *pairs)
    return index + struct.pack("<I", google_crc32c.value(index))


def _check_file(file: int, lengths: list[int], digests: list[bytes], chunk_bytes: int) -> int:
    view = buffer_of("window", WINDOW)
    decoded = np.frombuffer(buffer_of("decoded", chunk_bytes), "u1")
    start = low = high = 0
    for length, digest in zip(lengths, digests, strict=True):
        if start + length > high:
            low, high = start, start + os.preadv(file, [view], start)
        _check(view[start - low : start - low + length], digest, decoded)
        start += length
    return chunk_bytes * len(lengths)


def _check(encoded: memoryview, digest: bytes, decoded: Any) -> None:
    """Find the digest again: of the bytes, or (recoded) of the values."""
    found = xxhash.xxh3_128_digest(encoded)
    blosc.decompress(encoded, decoded)
    of_values = xxhash.xxh3_128_digest(decoded)
    if digest not in (found, of_values):
        raise ValueError("a chunk is another one than was written")


def _compare(source: str, output: str, array: dict[str, Any]) -> None:
    """Read all elements of both sides with tensorstore; documents are made once for all alike."""
    shape = tuple(array["shape"])
    alike = json.dumps({key: array[key] for key in ("shape", "chunks", "shards")})
    specs = _specs_of(Path(source, array["path"], ".zarray").read_text(), alike)
    waiting = []
    for spec, root in zip(specs, (source, output), strict=True):
        place = _store(root) + f"{array['path']}/"
        opened = tensorstore.open(spec, read=True, kvstore=place, context=_context()).result()
        values = np.frombuffer(buffer_of(root, math.prod(shape) * 2), "<u2").reshape(shape)
        waiting.append((values, tensorstore.array(values, context=_context()).write(opened)))
    for _, written in waiting:
        written.result()
    if not np.array_equal(waiting[0][0], waiting[1][0]):
        raise ValueError(f"{array['path']}: other values than those of the source")


@functools.cache
def _specs_of(document: str, alike: str) -> tuple[Any, Any]:
    old, array = json.loads(document), json.loads(alike)
    codec = old["compressor"]
    blosc_codec = {
        "cname": codec["cname"],
        "clevel": codec["clevel"],
        "shuffle": ("noshuffle", "shuffle", "bitshuffle")[codec["shuffle"]],
        "typesize": 2,
        "blocksize": 0,
    }
    inner = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "blosc", "configuration": blosc_codec},
    ]
    sharding = {
        "chunk_shape": array["chunks"],
        "codecs": inner,
        "index_codecs": [inner[0], {"name": "crc32c"}],
    }
    new = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": array["shape"],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": array["shards"]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
    }
    known = {"assume_metadata": True, "recheck_cached_data": "open"}
    return (
        tensorstore.Spec({"driver": "zarr", "metadata": old, **known}),
        tensorstore.Spec({"driver": "zarr3", "metadata": new, **known}),
    )


@functools.cache
def _store(root: str) -> Any:
    place = {"driver": "file", "path": f"{root}/"}
    return tensorstore.KvStore.open(place, context=_context()).result()


@functools.cache
def _context() -> Any:
    one = {"limit": 1}
    return tensorstore.Context({"data_copy_concurrency": one, "file_io_concurrency": one})


def main() -> int:
    """Run; one line of JSON says how many bytes were decoded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("output")
    parser.add_argument("plan", type=Path, help="plan.json of the workflow: chunks and shards")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--recode", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--endpoint", help="URL of an S3 server; credentials from AWS_… variables")
    given = parser.parse_args()
    requests = REQUESTS // given.processes
    tasks = [
        Task(
            given.source,
            given.output,
            shard,
            given.recode,
            given.compare,
            given.endpoint,
            requests,
        )
        for shard in shards_of(json.loads(given.plan.read_text()))
    ]
    with multiprocessing.get_context("fork").Pool(given.processes) as pool:
        decoded = sum(pool.imap_unordered(work, tasks, max(1, min(16, len(tasks) // 64))))
    with contextlib.suppress(OSError):
        os.sync()
    sys.stdout.write(json.dumps({"decoded_bytes": decoded}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
