"""What is proposed for an array: chunks, shards, method, cost; and what settings change."""

import pytest

from support.inventories import entry_of, inventory_of
from uplift.errors import InputError, PlanError
from uplift.models.plan import PlanSettings
from uplift.planning.proposal import plan_array, propose_plan, setting_notes

DEFAULT = PlanSettings()
Z = {"id": "zlib", "level": 1}


def lengths(entry, **settings):
    planned = plan_array(entry, PlanSettings(**settings))
    return planned.chunks, planned.shards


CHUNKS = [
    # shape, source chunks, dtype, axes -> chunks
    # 64 KiB and 16 MiB exactly are kept
    ((1, 1, 64, 8192, 8192), (1, 1, 1, 128, 256), "<u2", "tczyx", (1, 1, 1, 128, 256)),
    ((1, 1, 64, 8192, 8192), (1, 1, 8, 1024, 1024), "<u2", "tczyx", (1, 1, 8, 1024, 1024)),
    # below: a square of 1 to 4 MiB, whatever the item size
    ((1, 1, 64, 8192, 8192), (1, 1, 1, 128, 255), "<u2", "tczyx", (1, 1, 1, 1024, 1024)),
    ((64, 8192, 8192), (1, 64, 64), "|u1", "zyx", (1, 1024, 1024)),
    ((64, 8192, 8192), (1, 32, 32), "<f4", "zyx", (1, 512, 512)),
    ((64, 8192, 8192), (1, 32, 32), "<c16", "zyx", (1, 256, 256)),
    # above: the same
    ((1, 1, 64, 8192, 8192), (1, 1, 16, 1024, 1024), "<u2", "tczyx", (1, 1, 1, 1024, 1024)),
    # a small plane: deeper in z, never in t or c
    ((9, 3, 400, 100, 100), (1, 1, 1, 100, 100), "|u1", "tczyx", (1, 1, 128, 100, 100)),
    # a thin plane: longer in the other axis
    ((100, 4_000_000), (100, 10), "|u1", "yx", (100, 16384)),
    # axes without names: the last three are z, y, x
    ((5, 64, 8192, 8192), (1, 1, 64, 64), "<u2", None, (1, 1, 1024, 1024)),
    # named otherwise, in another order
    ((8192, 8192, 3), (64, 64, 3), "|u1", "yxc", (1024, 1024, 1)),
    # recoding gains nothing: the whole array, a small array, little in z, y and x
    ((60, 60), (60, 60), "<u2", "yx", (60, 60)),
    ((3000, 2000), (4096, 4096), "<u2", "yx", (4096, 4096)),
    ((5, 64, 64), (1, 64, 64), "<u2", "zyx", (1, 64, 64)),
    ((9000, 3, 1, 100, 100), (1, 1, 1, 100, 100), "|u1", "tczyx", (1, 1, 1, 100, 100)),
    # a single chunk of more than 16 MiB is cut
    ((4096, 4096), (4096, 4096), "<u2", "yx", (1024, 1024)),
    # nothing there, or no axes
    ((0, 8192, 8192), (1, 16, 16), "<u2", "zyx", (1, 16, 16)),
    ((), (), "<u2", None, ()),
    # texts: sizes are not known
    ((100_000,), (10,), "|S9", None, (10,)),
]


@pytest.mark.parametrize(("shape", "chunks", "dtype", "axes", "expected"), CHUNKS)
def test_chunks(shape, chunks, dtype, axes, expected):
    entry = entry_of("0", shape, chunks, dtype=dtype, axes=axes, level=1)
    assert lengths(entry)[0] == expected


def test_arrays_outside_images_keep_their_chunks():
    entry = entry_of("t", (3_000_000, 50), (100, 50), dtype="<f8", axes=("obs", "var"))
    assert lengths(entry) == ((100, 50), (375_000, 50))


def test_a_source_chunk_too_large_to_decode_is_kept():
    entry = entry_of("0", (8, 16384, 16384), (1, 16384, 16384), axes="zyx", level=0)
    planned = plan_array(entry, DEFAULT)
    assert (planned.chunks, planned.method) == ((1, 16384, 16384), "repack")
    assert lengths(entry, recode_memory_mib=100_000)[0] == (1, 1024, 1024)


SHARDS = [
    # shape, chunks, level -> shards
    # at most 64 MiB: one shard, over c and t as well
    ((2, 3, 4, 1024, 1024), (1, 1, 1, 256, 256), 0, (2, 3, 4, 1024, 1024)),
    # overhanging the edge
    ((1, 1, 5, 1000, 700), (1, 1, 2, 256, 256), 0, (1, 1, 6, 1024, 768)),
    # one chunk: no shard
    ((1, 1, 1, 200, 200), (1, 1, 1, 256, 256), 0, None),
    # the full plane, then z, in equal parts: 100 planes of 8 MiB, 64 fit
    ((1, 2, 100, 2048, 2048), (1, 1, 1, 512, 512), 1, (1, 1, 50, 2048, 2048)),
    # level 0 keeps 8 shards: 65 MiB and more
    ((1, 1, 65, 1024, 512), (1, 1, 1, 512, 512), 0, (1, 1, 9, 1024, 512)),
    ((1, 1, 65, 1024, 512), (1, 1, 1, 512, 512), 1, (1, 1, 65, 1024, 512)),
    # ... cut in y and x when there is no z
    ((1, 1, 1, 8192, 8192), (1, 1, 1, 1024, 1024), 0, (1, 1, 1, 3072, 3072)),
    # t and c count, but are never merged
    ((40, 2, 1, 2048, 2048), (1, 1, 1, 1024, 1024), 0, (1, 1, 1, 2048, 2048)),
    # a plane above 512 MiB: nearly square, in equal parts
    ((1, 1, 1, 65536, 65536), (1, 1, 1, 1024, 1024), 0, (1, 1, 1, 16384, 16384)),
    ((1, 1, 1, 20480, 20480), (1, 1, 1, 1024, 1024), 1, (1, 1, 1, 10240, 20480)),
    # 4,096 chunks at most, also of a small array
    ((1, 1, 4096, 512, 512), (1, 1, 1, 256, 256), 1, (1, 1, 1024, 512, 512)),
    # a shard of one chunk gains nothing
    ((400, 2, 1, 512, 512), (1, 1, 1, 512, 512), 0, None),
]


@pytest.mark.parametrize(("shape", "chunks", "level", "expected"), SHARDS)
def test_shards(shape, chunks, level, expected):
    entry = entry_of("0", shape, chunks, axes="tczyx", level=level, multiscale="")
    assert lengths(entry) == (chunks, expected)


def test_small_arrays_of_many_chunks_are_merged_up_to_the_limit():
    entry = entry_of("0", (9000, 2, 1, 32, 32), (1, 1, 1, 32, 32), axes="tczyx", level=0)
    (chunks, shards) = lengths(entry)
    assert chunks == (1, 1, 1, 32, 32)
    assert shards == (1800, 2, 1, 32, 32)


def test_records_are_never_sharded():
    dtype = [["a", "<i4"], ["b", "<f8"]]
    entry = entry_of("t", (1000,), (10,), dtype=dtype, compressor=None)
    entry = entry.model_copy(
        update={"source": entry.source.model_copy(update={"fill_value": None})}
    )
    assert lengths(entry) == ((10,), None)
    assert lengths(entry, shards=(100,)) == ((10,), None)


def test_texts_share_a_shard():
    entry = entry_of(
        "names", (1000,), (10,), dtype="|O", filters=({"id": "vlen-utf8"},), compressor=None
    )
    assert lengths(entry) == ((10,), (1000,))


def test_tables_of_two_axes_with_other_names():
    entry = entry_of("t", (3000, 50), (100, 50), dtype="<f8", axes=("obs", "var"))
    assert lengths(entry) == ((100, 50), (3000, 50))


SETTINGS = [
    # settings -> chunks, shards of (1, 2, 15, 1000, 700) in chunks of (1, 1, 1, 256, 256)
    ({"chunks": (1, 1, 5, 512, 512)}, (1, 1, 5, 512, 512), (1, 2, 15, 1024, 1024)),
    ({"chunks": {"y": 512, "x": 128}}, (1, 1, 1, 512, 128), (1, 2, 15, 1024, 768)),
    # cut where array and source chunks are shorter
    ({"chunks": (1, 1, 99, 4096, 4096)}, (1, 1, 15, 1000, 700), (1, 2, 15, 1000, 700)),
    ({"shards": (1, 1, 99, 4096, 4096)}, (1, 1, 1, 256, 256), (1, 1, 15, 1024, 768)),
    # axes that are not named: one chunk
    ({"shards": {"y": 512, "x": 512}}, (1, 1, 1, 256, 256), (1, 1, 1, 512, 512)),
    ({"shards": "none"}, (1, 1, 1, 256, 256), None),
    # a list of another length: decided as without it
    ({"shards": (1, 512, 512)}, (1, 1, 1, 256, 256), (1, 2, 15, 1024, 768)),
    # a shard of one chunk, when asked for
    ({"shards": (1, 1, 1, 256, 256)}, (1, 1, 1, 256, 256), (1, 1, 1, 256, 256)),
]


@pytest.mark.parametrize(("settings", "chunks", "shards"), SETTINGS)
def test_settings(settings, chunks, shards):
    entry = entry_of("0", (1, 2, 15, 1000, 700), (1, 1, 1, 256, 256), axes="tczyx")
    assert lengths(entry, **settings) == (chunks, shards)


def test_shards_asked_for_decide_between_the_proposed_and_the_source_chunk():
    entry = entry_of("0", (64, 8192, 8192), (1, 100, 100), axes="zyx", level=0)
    assert lengths(entry, shards=(1, 2048, 2048)) == ((1, 1024, 1024), (1, 2048, 2048))
    assert lengths(entry, shards=(1, 1000, 1000)) == ((1, 100, 100), (1, 1000, 1000))


REFUSED = [
    (
        {"shards": (1, 1, 1, 1000, 512)},
        'arrays["0"].shards [1,1,1,1000,512] (from the setting shards) is not a multiple of '
        "chunks [1,1,1,256,256] on axis y: use 768 or 1024",
    ),
    (
        {"shards": (1, 1, 1, 100, 256)},
        'arrays["0"].shards [1,1,1,100,256] (from the setting shards) is not a multiple of '
        "chunks [1,1,1,256,256] on axis y: use 256",
    ),
    (
        {"chunks": (1, 1, 0, 256, 256)},
        'arrays["0"].chunks [1,1,0,256,256] (from the setting chunks) is 0 on axis z: '
        "use 1 or more, e.g. 1",
    ),
    (
        {"chunks": (1, 256, 256)},
        "the setting chunks [1,256,256] has 3 lengths, the arrays have 5 axes: use 5, "
        "e.g. [1,1,1,256,256]",
    ),
    (
        {"shards": {"yy": 512}},
        'the setting shards {yy: 512} names axis "yy", which no array has; did you mean "y"?',
    ),
    (
        {"codec": ({"name": "zstdd"},)},
        'arrays["0"] (from the setting codec): codec "zstdd" is unknown',
    ),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_refused_settings(settings, message):
    entry = entry_of("0", (1, 2, 30, 1000, 1000), (1, 1, 1, 256, 256), axes="tczyx")
    with pytest.raises(PlanError) as error:
        propose_plan(inventory_of(entry), PlanSettings(**settings), "d")
    assert str(error.value).startswith(message)


def test_memory_is_checked_with_numbers():
    entry = entry_of("0", (64, 8192, 8192), (64, 8192, 64), axes="zyx", filters=({"id": "delta"},))
    entry = entry.model_copy(
        update={
            "source": entry.source.model_copy(
                update={"filters": ({"id": "delta", "dtype": "<u2", "astype": "<u2"},)}
            )
        }
    )
    with pytest.raises(PlanError, match=r"takes up to \d+ MiB of memory, recode_memory_mib is 256"):
        plan_array(entry, PlanSettings(recode_memory_mib=256))


def test_unknown_names_and_keys():
    with pytest.raises(InputError, match='unknown key "shard_mb"; did you mean "shard_mib"'):
        PlanSettings.parse({"shard_mb": 1}, "planning of d")
    with pytest.raises(InputError, match="codec: is neither keep, blosc, zstd, gzip, none nor"):
        PlanSettings.parse({"codec": "zip"}, "planning of d")


@pytest.mark.parametrize("codec", ["blosc", "zstd", "gzip", "none"])
def test_codec_names(codec):
    entry = entry_of("0", (64, 1024, 1024), (1, 512, 512), axes="zyx")
    planned = plan_array(entry, PlanSettings.parse({"codec": codec}, "s"))
    assert planned.method == "recode"
    if codec == "none":  # bytes are known beforehand
        assert planned.bytes == 64 * 4 * 512 * 512 * 2 + 64 * 4 * 16 + 4


def test_predictions():
    dense = plan_array(entry_of("0", (40, 512, 512), (1, 256, 256), axes="zyx"), DEFAULT)
    assert (dense.method, dense.objects) == ("repack", 1)
    assert dense.bytes == 160 * 100 + 160 * 16 + 4
    zlib = plan_array(
        entry_of("0", (40, 512, 512), (1, 256, 256), axes="zyx", compressor=Z), DEFAULT
    )
    assert (zlib.method, zlib.bytes) == ("rewrap", 160 * 112 + 160 * 16 + 4)
    sparse = entry_of("0", (40, 512, 512), (1, 256, 256), axes="zyx", stored=3)
    unsharded = plan_array(sparse, PlanSettings(shards="none"))
    assert (unsharded.objects, unsharded.bytes) == (3, 300)
    empty = plan_array(entry_of("0", (40, 512, 512), (1, 256, 256), stored=0), DEFAULT)
    assert (empty.objects, empty.bytes) == (0, 0)


def test_estimate_counts_documents_files_and_chunks():
    entry = entry_of("0", (40, 512, 512), (1, 256, 256), axes="zyx")
    bad = entry_of("bad", (4,), (2,), problem="why not")
    inventory = inventory_of(entry, bad, files=[("a.txt", 7)], dropped=[(".zmetadata", 50)])
    estimate = propose_plan(inventory, DEFAULT, "d").estimate
    # 162 chunks, .zarray twice, .zgroup, a.txt, .zmetadata
    assert (estimate.before.objects, estimate.before.bytes) == (162 + 5, 16_200 + 57)
    # a shard, two documents, a.txt
    assert (estimate.after.objects, estimate.after.bytes) == (4, 160 * 100 + 160 * 16 + 4 + 7)
    assert estimate.methods == {"repack": 1}


def test_arrays_that_cannot_be_converted_are_not_planned():
    inventory = inventory_of(entry_of("0", (9,), (3,)), entry_of("1", (9,), (3,), problem="no"))
    assert [array.path for array in propose_plan(inventory, DEFAULT, "d").arrays] == ["0"]


def test_notes_name_arrays_that_a_setting_does_not_fit():
    inventory = inventory_of(
        entry_of("0", (2, 64, 64), (1, 64, 64), axes="zyx"), entry_of("labels/a", (9,), (9,))
    )
    notes = setting_notes(inventory, PlanSettings(chunks=(1, 32, 32), shards={"z": 2}))
    assert notes == [
        "the setting chunks [1,32,32] does not fit 1 arrays with other axes (first: labels/a): "
        "decided for each of them",
        "the setting shards {z: 2} does not fit 1 arrays with other axes (first: labels/a): "
        "decided for each of them",
    ]
