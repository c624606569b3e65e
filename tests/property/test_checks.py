"""Guarantees of the validation: what convert writes passes; a changed byte of it never does."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.converted import Case, Converted
from uplift import grid

COMPRESSORS = [
    None,
    {"id": "zstd", "level": 1},
    {"id": "gzip", "level": 1},
    {"id": "zlib", "level": 1},
    {"id": "lz4", "acceleration": 1},
    {"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1, "blocksize": 0},
]


@st.composite
def cases(draw):
    ndim = draw(st.integers(0, 3))
    axis = st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))
    axes = [draw(axis) for _ in range(ndim)]
    shape = tuple(a[0] for a in axes)
    chunks = tuple(a[1] for a in axes)
    target = draw(st.sampled_from([chunks, tuple(a[2] for a in axes)]))
    sharded = draw(st.booleans())
    indices = list(grid.all_indices(grid.grid_shape(shape, chunks)))
    absent = draw(st.lists(st.sampled_from(indices), unique=True)) if indices else []
    zstd = ({"name": "zstd", "configuration": {"level": 1, "checksum": False}},)
    return Case(
        shape=shape,
        chunks=chunks,
        shards=tuple(c * a[3] for c, a in zip(target, axes, strict=True)) if sharded else None,
        dtype=draw(st.sampled_from(["|b1", "|u1", "<u2", ">f4", "<f8", ">c16"])),
        compressor=draw(st.sampled_from(COMPRESSORS)),
        order=draw(st.sampled_from("CF")),
        fill=None,
        absent=tuple(absent),
        target_chunks=target,
        codecs=draw(st.sampled_from(["keep", zstd])),
        seed=draw(st.integers(0, 99)),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.data())
def test_sound_output_passes_and_damage_does_not(case, data):
    root = Path(tempfile.mkdtemp())
    try:
        array = Converted(root, case).convert()
        assert array.findings() == []
        objects = [path for path in array.objects() if path.stat().st_size]
        if objects:
            path = data.draw(st.sampled_from(objects))
            at = data.draw(st.integers(0, path.stat().st_size - 1))
            content = bytearray(path.read_bytes())
            content[at] ^= data.draw(st.integers(1, 255))
            path.write_bytes(content)
            if array.item.method != "recode":
                assert array.codes()
    finally:
        shutil.rmtree(root)
