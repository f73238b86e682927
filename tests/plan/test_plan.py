"""Plans: the order of trials, the fits that they share, their shares of a node."""

import pytest

from tests.builders import build_study, plan_of, study_content
from tune_app.errors import ResourceError
from tune_app.plan import Shares, check_shares


def test_the_plan_has_the_longest_trial_first() -> None:
    """Not the one with most nominal operations: those of dropout are the same, yet it keeps the large layers apart."""
    plan = plan_of(build_study(grid=[{"model": "cnn", "regularizer": ["none", "dropout"], "folds": [3, 5]}]))
    assert plan[0].spec.regularizer == "dropout"
    assert plan[0].flops == next(t.flops for t in plan if (t.spec.regularizer, t.spec.folds) == ("none", 5))
    seconds = [trial.seconds * trial.fits for trial in plan]
    assert seconds == sorted(seconds, reverse=True)
    assert all(0 < each < float("inf") for each in seconds)


def test_the_shares_of_a_grid_entry_win() -> None:
    entry = study_content()["grid"][0] | {"cpus_per_trial": 0.25}
    assert {trial.share.cpus for trial in plan_of(build_study(grid=[entry]), Shares(cpus=2))} == {0.25}


def test_a_share_that_no_node_has_is_refused_with_the_nodes_capacity() -> None:
    plan = plan_of(build_study(), Shares(cpus=1, gpus=0.5))
    with pytest.raises(ResourceError, match=r"asks for 1 CPUs and 0.5 GPUs.*nodes have 8 CPUs and 0 GPUs; 0.2 CPUs"):
        check_shares(plan, [{"CPU": 8}, {"CPU": 0.2, "GPU": 4}])


def test_trials_that_differ_in_the_test_alone_share_their_fits() -> None:
    levels = ["sound", "test-normalisation", "carry-over", "carry-over+test-normalisation"]
    plan = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": 3, "protocol": levels}]))
    shared = {trial.spec.condition["protocol"]: trial.shares_fits_of for trial in plan}
    ids = {trial.spec.condition["protocol"]: trial.id for trial in plan}
    assert shared["sound"] is None
    assert shared["carry-over"] is None
    assert shared["test-normalisation"] == ids["sound"]
    assert shared[plan[-1].spec.condition["protocol"]] in (ids["sound"], ids["carry-over"])
    assert sum(trial.seconds > 0 for trial in plan) == 2


@pytest.mark.parametrize(("cpus", "gpus"), [(0, 0), (0.00001, 0), (1, 0.00001)])
def test_a_share_of_nothing_is_refused(cpus: float, gpus: float) -> None:
    with pytest.raises(ResourceError, match=r"it needs a share of one of them, at least 0\.001"):
        check_shares(plan_of(build_study(), Shares(cpus, gpus)), [{"CPU": 2, "GPU": 1}])
