"""What an actor is to run, as the configuration of Tune's trial.

Tune copies the configurations of all trials for each trial, level by level. One text each is copied in no time: two
thousand trials waited two minutes for their own.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune


def build_space(orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The search space with one trial for each order, in this order; an order is what JSON can hold."""
    return {"order": tune.grid_search([json.dumps(order) for order in orders])}


def read_order(config: Mapping[str, Any]) -> dict[str, Any]:
    """The order of a trial with this configuration; what was set in the configuration later replaces it."""
    changed = {name: value for name, value in config.items() if name != "order"}
    return {**json.loads(config["order"]), **changed}
