"""Keys of OME-Zarr in another spelling: ``row_index`` for ``rowIndex``.

The first of :data:`WORDING`: the repairs of values in ``repairs_kinds`` and ``repairs_words`` look
for them under their keys.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from uplift.ngff.draft import Edit
from uplift.ngff.json_kinds import fields_of
from uplift.ngff.json_paths import ABSENT
from uplift.ngff.registry import Repairs, Spot

WORDING = Repairs()
"""In this order: keys, then of what kind a value is, then what it says."""
repair = WORDING.repair

ENTRY = "multiscales/*"
LEVEL = f"{ENTRY}/datasets/*"
TRANSFORMS = (f"{ENTRY}/coordinateTransformations", f"{LEVEL}/coordinateTransformations")

_KEYS: dict[str, tuple[str, ...]] = {
    ENTRY: ("datasets", "axes", "name", "type", "coordinateTransformations"),
    f"{ENTRY}/axes/*": ("name", "type", "unit"),
    LEVEL: ("path", "coordinateTransformations"),
    **{f"{place}/*": ("type", "scale", "translation") for place in TRANSFORMS},
    "omero": ("channels", "rdefs"),
    "omero/channels/*": ("color", "window", "label", "active"),
    "omero/channels/*/window": ("start", "end", "min", "max"),
    "image-label": ("colors", "properties", "source"),
    "image-label/colors/*": ("label-value", "rgba"),
    "image-label/properties/*": ("label-value",),
    "image-label/source": ("image",),
    "plate": ("name", "rows", "columns", "wells", "acquisitions", "field_count"),
    "plate/rows/*": ("name",),
    "plate/columns/*": ("name",),
    "plate/wells/*": ("path", "rowIndex", "columnIndex"),
    "plate/acquisitions/*": (
        *("id", "name", "description", "maximumfieldcount", "starttime", "endtime"),
    ),
    "well": ("images",),
    "well/images/*": ("path", "acquisition"),
}
"""The keys of each object; its items come after it, since they are found under its keys."""
_EVERY_KEY = frozenset(key for keys in _KEYS.values() for key in keys)
_SINGULAR = {"coordinatetransformation": "coordinateTransformations"}


@repair(
    "key.spelling",
    *_KEYS,
    wrong="a key in another spelling (`coordinate_transformations`, `row_index`, `label_value`, "
    "`fieldCount`, `Path`), where the key itself is absent",
    right="the key as the format spells it",
)
def key_spelling(spot: Spot) -> Iterator[Edit]:
    """Write ``row_index`` as ``rowIndex``; of two spellings of one key, neither."""
    given = fields_of(spot.value)
    if given.keys() <= _EVERY_KEY:  # most objects, of which a label image has very many
        return
    known = _KEYS["/".join("*" if isinstance(key, int) else key for key in spot.keys)]
    found: dict[str, list[str]] = {}
    for key in given:
        if key not in known and (wanted := _meant(key, known)):
            found.setdefault(wanted, []).append(key)
    for wanted, spellings in sorted(found.items()):
        if wanted not in given and len(spellings) == 1:
            value = given[spellings[0]]
            yield Edit((*spot.keys, wanted), value, f"the value of {spellings[0]!r}")
            yield Edit((*spot.keys, spellings[0]), ABSENT, f"is {wanted} in another spelling")


@lru_cache(maxsize=1000)  # the properties of labels have the same keys
def _meant(key: str, known: tuple[str, ...]) -> str | None:
    """Key that has the same letters."""
    letters = _letters(key)
    meant = next((one for one in known if _letters(one) == letters), None)
    singular = _SINGULAR.get(letters)
    return meant or (singular if singular in known else None)


def _letters(key: str) -> str:
    return re.sub(r"[\s_.-]", "", key.lower())
