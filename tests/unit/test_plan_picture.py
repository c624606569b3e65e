"""The picture in docs/PLANNING.md is what the planner proposes."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_picture_is_drawn_from_the_planner():
    spec = importlib.util.spec_from_file_location("draw_plan", DOCS / "draw_plan.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = module.drawn()
    assert (DOCS / "plan.svg").read_text() == drawn, "python docs/draw_plan.py > docs/plan.svg"
