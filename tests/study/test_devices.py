"""`devices` and `batchnorm_sync` as levels: what they ask for, and what they cannot."""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_study, plan_of, problems_of
from tests.own_study import HIDDEN_NORM, OwnStudy

ENTRY: dict[str, Any] = {"model": "cnn", "width": 0.05, "regularizer": "batchnorm", "folds": 3}
FOREST = """
from sklearn.linear_model import LogisticRegression


def build_forest():
    return LogisticRegression()
"""


def trials_of(**levels: Any) -> list[tuple[int, bool]]:
    trials = build_study(grid=[ENTRY | levels]).grid_trials()
    return [(trial.spec.recipe.devices, trial.spec.recipe.batchnorm_sync) for trial in trials]


def test_one_device_is_no_part_of_an_id_and_several_are() -> None:
    ids = [trial.spec.id for trial in build_study(grid=[ENTRY | {"devices": [1, 2]}]).grid_trials()]
    plain = build_study(grid=[ENTRY]).grid_trials()[0].spec.id
    assert ids[0] == plain
    assert ids[1] != plain


def test_where_nothing_is_to_be_synchronised_both_levels_give_one_condition() -> None:
    both = [True, False]
    assert trials_of(devices=[1, 2], batchnorm_sync=both) == [(1, True), (2, True), (2, False)]
    assert trials_of(devices=2, batchnorm_sync=both, regularizer="dropout") == [(2, True)]


def test_each_device_of_a_trial_has_the_share_of_its_entry() -> None:
    (trial,) = plan_of(build_study(grid=[ENTRY | {"devices": 3, "cpus_per_trial": 0.5}]))
    assert (trial.share.cpus, trial.share.gpus, trial.share.devices, trial.engine) == (0.5, 0, 3, "eager")


@pytest.mark.parametrize(
    ("levels", "problem"),
    [
        ({"devices": 0}, "greater than or equal to 1"),
        ({"devices": 21}, "21 devices share batches of 20; choose fewer devices, or a larger batch_size"),
        ({"engine": "stacked"}, "engine stacked trains on one device, not on 2"),
        ({"compile": True}, "compile: true is for one device, not for 2"),
        ({"protocol": "carry-over"}, "2 devices train by sound protocol only, not with carry-over"),
        ({"protocol": "replica-statistics"}, "2 devices train by sound protocol only, not with replica-statistics"),
    ],
)
def test_what_several_devices_cannot_train_is_refused(tmp_path: Path, levels: dict[str, Any], problem: str) -> None:
    assert any(problem in each for each in problems_of(tmp_path, grid=[ENTRY | {"devices": 2} | levels]))


def test_statistics_that_cannot_be_synchronised_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = OwnStudy(tmp_path, {"nets.py": HIDDEN_NORM}, grid=[{"model": "net", "folds": 2, "devices": 2}])
    assert own.run("--dry-run") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "2 devices: its statistics cannot be synchronised: it calls batch_norm elsewhere than in its layers" in told
    assert "write batchnorm_sync: false, or leave devices out" in told


def test_an_estimator_on_several_devices_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    define = {"net": {"model": "nets:build_forest"}}
    own = OwnStudy(tmp_path, {"nets.py": FOREST}, define=define, grid=[{"model": "net", "folds": 2, "devices": 2}])
    assert own.run("--dry-run") == 2
    assert "2 devices: net is no network" in " ".join(capsys.readouterr().err.split())
