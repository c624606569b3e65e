"""Chunk grid arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from uplift import grid

SHAPES = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 7), st.integers(1, 4)), max_size=4)


def split(triples):
    shape = tuple(t[0] for t in triples)
    chunks = tuple(t[1] for t in triples)
    return shape, chunks, tuple(c * t[2] for c, t in zip(chunks, triples, strict=True))


@given(SHAPES)
def test_index_and_position_are_inverse(triples):
    shape, chunks, _ = split(triples)
    cells = grid.grid_shape(shape, chunks)
    for position, index in enumerate(grid.all_indices(cells)):
        assert grid.linear_index(index, cells) == position
        assert grid.index_of(position, cells) == index


@given(SHAPES)
def test_shard_regions_tile_the_chunk_grid(triples):
    shape, chunks, shards = split(triples)
    cells = grid.grid_shape(shape, chunks)
    per_shard = grid.chunks_per_shard(shards, chunks)
    seen = [
        chunk
        for shard in grid.all_indices(grid.grid_shape(shape, shards))
        for chunk in grid.indices_in(grid.chunk_region(shard, per_shard, cells))
    ]
    assert sorted(seen) == list(grid.all_indices(cells))


def test_zero_dimensions():
    assert grid.grid_shape((), ()) == ()
    assert list(grid.all_indices(())) == [()]
    assert grid.index_of(0, ()) == ()
