"""Draw ``docs/plan.svg``: chunks and shards that are proposed for one image, level by level.

usage: python docs/draw_plan.py > docs/plan.svg   (a test compares the two)
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from uplift.models.arrays import SourceArray
from uplift.models.inventory import InventoryArray
from uplift.models.plan import PlanSettings
from uplift.planning.proposal import plan_array

AXES = ("t", "c", "z", "y", "x")
SHAPES = tuple((1, 3, 1, 32768 >> level, 49152 >> level) for level in range(4))
CHUNKS = (1, 1, 1, 1024, 1024)
PER_UNIT = 160
"""Elements of the array in a unit of the picture."""
COLORS = ("#cfe3f5", "#f6dfc4")


def level_entry(level: int) -> InventoryArray:
    """Level `level` of a slide, as bioformats2raw writes it."""
    source = SourceArray(
        zarr_format=2,
        shape=SHAPES[level],
        chunks=CHUNKS,
        data_type="<u2",
        fill_value=0,
        order="C",
        separator="/",
        compressor={"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    )
    stored = 1
    for length, chunk in zip(source.shape, source.chunks, strict=True):
        stored *= -(-length // chunk)
    return InventoryArray(
        path=str(level), role="level", multiscale="", level=level, axes=AXES, source=source,
        stored_chunks=stored, stored_bytes=stored * 300_000, listing_sha256="0" * 64,
    )  # fmt: skip


def drawn() -> str:
    """The picture."""
    parts, left, tallest = [], 10.0, 0.0
    for level in range(len(SHAPES)):
        entry = level_entry(level)
        planned = plan_array(entry, PlanSettings())
        height, width = (length / PER_UNIT for length in entry.source.shape[3:])
        across = max(width, 150.0)
        parts.append(f'<g transform="translate({left:g},30)">')
        parts += plane(entry.source.shape, planned.chunks, planned.shards or planned.chunks)
        shards = "none" if planned.shards is None else f"{list(planned.shards)}"
        texts = (
            f"level {level}: {list(entry.source.shape)}",
            f"chunks {list(planned.chunks)}",
            f"shards {shards}",
            f"{entry.stored_chunks:,} chunks in {planned.objects:,} objects",
        )
        for line, text in enumerate(texts):
            parts.append(f'<text x="0" y="{height + 16 + 13 * line:g}">{text}</text>')
        parts.append("</g>")
        left += across + 25
        tallest = max(tallest, height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + 60:g} {tallest + 100:g}" '
        'font-family="sans-serif" font-size="10">'
    )
    title = (
        '<text x="10" y="16" font-size="12">One channel of each level of a slide '
        "(axes t, c, z, y, x): chunks between thin lines, shards as coloured fields</text>"
    )
    ground = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([head, ground, title, *parts, "</svg>"]) + "\n"


def plane(shape: tuple[int, ...], chunks: tuple[int, ...], shards: tuple[int, ...]) -> list[str]:
    """One plane of an array: a field for each shard, and the edges of the chunks."""
    (height, width), (high, wide) = shape[3:], shards[3:]
    parts = []
    for row, top in enumerate(range(0, height, high)):
        for column, start in enumerate(range(0, width, wide)):
            size = (min(wide, width - start), min(high, height - top))
            x, y, w, h = (n / PER_UNIT for n in (start, top, *size))
            color = COLORS[(row + column) % 2]
            parts.append(
                f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="{color}" '
                'stroke="#335" stroke-width="1"/>'
            )
    edges = [f"M{x / PER_UNIT:g} 0V{height / PER_UNIT:g}" for x in range(0, width, chunks[4])]
    edges += [f"M0 {y / PER_UNIT:g}H{width / PER_UNIT:g}" for y in range(0, height, chunks[3])]
    parts.append(f'<path d="{"".join(edges)}" stroke="#335" stroke-width="0.25" fill="none"/>')
    return parts


if __name__ == "__main__":
    sys.stdout.write(drawn())
