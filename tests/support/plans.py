"""Plans of one image, as JSON."""

import functools
import json

from support.inventories import image, inventory_of
from uplift.models.plan import PlanSettings
from uplift.planning.plan_files import stamped
from uplift.planning.proposal import plan_array, propose_plan

PROPOSE = functools.partial(plan_array, settings=PlanSettings())
IMAGE = inventory_of(*image())


def generated(inventory=IMAGE, **settings):
    """JSON of a plan as it stands in a file."""
    plan = stamped(propose_plan(inventory, PlanSettings(**settings), "d"))
    return json.loads(json.dumps(plan.to_json()))


def array_of(data, path="0"):
    return next(array for array in data["arrays"] if array["path"] == path)
