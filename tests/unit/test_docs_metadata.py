"""The tables of docs/METADATA.md are those of the registry."""

from support.docs_tables import check_table
from uplift.ngff.hierarchy_rules import TREE_RULES
from uplift.ngff.migrate import REPAIRS
from uplift.ngff.versions import TARGETS


def rules(outcome):
    found = {
        one.code: one for one in (*TARGETS["0.5"].rules, *TREE_RULES) if one.outcome == outcome
    }
    return [found[code] for code in sorted(found)]


def test_repairs():
    rows = [
        ("code", "the source has", "the output has"),
        *((r.code, r.wrong, r.right) for r in REPAIRS),
    ]
    check_table("METADATA.md", "repairs", [tuple(f"`{c}`" if i == 0 and r else c
        for i, c in enumerate(row)) for r, row in enumerate(rows)])  # fmt: skip


def test_what_is_kept():
    rows = [("code", "OME-Zarr asks", "what a breach costs")]
    rows += [
        (f"`{one.code}`", one.asks + ("" if one.must else " (SHOULD: not a defect)"), one.breaks)
        for one in rules("keep")
    ]
    check_table("METADATA.md", "kept", rows)


def test_what_is_refused():
    rows = [("code", "OME-Zarr asks", "why a breach stops a dataset")]
    rows += [(f"`{one.code}`", one.asks, one.breaks) for one in rules("refuse")]
    check_table("METADATA.md", "refused", rows)
