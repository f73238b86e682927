"""What an actor is told to run: one text in Tune's configuration, whatever Tune makes of it."""

import copy

from tune_app.executors.ray.orders import build_space, read_order

ORDERS = [{"item": f"item-{number}", "folds": [0, number], "spec": {"model": "cnn"}, "cpu": 0.5} for number in (1, 2)]


def test_each_order_comes_back_as_it_was() -> None:
    texts = build_space(ORDERS)["order"]["grid_search"]
    assert [read_order({"order": text}) for text in texts] == ORDERS


def test_what_is_set_in_the_configuration_later_replaces_it() -> None:
    config = {"order": build_space(ORDERS)["order"]["grid_search"][1], "folds": [2]}
    assert read_order(config) == {**ORDERS[1], "folds": [2]}


def test_a_copy_of_all_configurations_copies_none_of_them() -> None:
    """Tune makes one for each trial: of nested orders it would take minutes for two thousand."""
    texts = build_space(ORDERS)["order"]["grid_search"]
    assert all(mine is its for mine, its in zip(texts, copy.deepcopy(texts), strict=True))
