"""Early stopping: the record says which epoch's weights were tested, and they are the ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer

import tune_app
from tests.own_study import OwnStudy

STOP = {"metric": "loss", "patience": 2, "holdout": 0.3}
RECIPE: dict[str, Any] = {"epochs": 30, "batch_size": 16, "learning_rate": 0.05}
FLAT = "def share(targets, outputs):\n    return {}\n"


def run_stopped(path: Path, files: dict[str, str] | None = None, *more: str, **stop: Any) -> OwnStudy:
    study = OwnStudy(path, files, recipe=RECIPE | {"stop": STOP | stop})
    assert study.run(*more) == 0
    return study


@pytest.mark.slow
def test_the_record_names_the_epoch_whose_weights_were_tested(tmp_path: Path) -> None:
    study = run_stopped(tmp_path)
    records = study.read_records()
    for (trial, fold), record in records.folds.items():
        epochs = [records.epochs[trial, fold, n] for n in range(1, record.epochs + 1)]
        assert record.tested_epoch == 1 + int(np.argmin([epoch.scores["holdout_loss"] for epoch in epochs]))
        assert record.tested_epoch < record.epochs < 30, "it stopped, and went back"
        of_that_epoch = epochs[record.tested_epoch - 1].scores["validation_loss"]
        assert record.scores["test_loss"] == pytest.approx(of_that_epoch, rel=1e-6), (
            "the same samples, the same weights"
        )
        assert epochs[-1].scores["validation_loss"] != pytest.approx(of_that_epoch, rel=1e-3)
    table = pd.read_csv(study.path / "results" / "own" / "folds.csv")
    assert table["tested_epoch"].tolist() == [record.tested_epoch for record in records.folds.values()]


def test_fits_that_do_not_stop_early_have_no_such_field(tmp_path: Path) -> None:
    study = OwnStudy(tmp_path)
    assert study.run() == 0
    assert "tested_epoch" not in (tmp_path / "runs" / "own" / "records.jsonl").read_text()
    assert "tested_epoch" not in pd.read_csv(tmp_path / "results" / "own" / "folds.csv")


def test_where_the_holdout_has_no_score_the_last_epoch_is_tested(tmp_path: Path) -> None:
    study = run_stopped(tmp_path, {"metrics.py": FLAT.format("float('nan')")}, metric="share")
    records = study.read_records()
    assert [record.tested_epoch for record in records.folds.values()] == [2, 2]
    assert [record.epochs for record in records.folds.values()] == [2, 2]


@pytest.mark.slow
def test_a_best_network_of_the_last_epoch_is_kept_as_it_was_trained(tmp_path: Path) -> None:
    """Stopping puts back the weights of its own best epoch, which is another."""
    growing = "import itertools\n\nturns = itertools.count()\n\n\n" + FLAT.format("next(turns) / 1000")
    flat = FLAT.replace("share", "flat").format("0.5")
    study = OwnStudy(
        tmp_path,
        {"metrics.py": growing, "flat.py": flat},
        define={"flat": {"metric": "flat:flat"}},
        metrics={"primary": "share", "also": ["flat"]},
        recipe=RECIPE | {"stop": STOP | {"metric": "flat"}},
    )
    assert study.run("--keep", "best") == 0
    records = study.read_records()
    assert {(record.tested_epoch, record.epochs) for record in records.folds.values()} == {(1, 3)}
    (path,) = (tmp_path / "runs" / "own" / "weights").glob("*.pt")
    kept = tune_app.read_weights(path)
    facts = kept["facts"]
    assert facts["epoch"] == 3
    (trial,) = {trial for trial, _ in records.folds}
    with np.load(tmp_path / "runs" / "own" / str(records.folds[trial, facts["fold"]].outputs)) as held:
        positions, targets = held["positions"], torch.from_numpy(held["targets"])
    inputs = load_breast_cancer().data[::4][positions].astype(np.float32)
    weights = list(kept["state"].values())
    scaled = torch.from_numpy((inputs - np.array(facts["mean"])) / np.array(facts["std"])).float()
    hidden = torch.relu(scaled @ weights[0].T + weights[1])
    loss = torch.nn.functional.cross_entropy(hidden @ weights[2].T + weights[3], targets).item()
    of_epoch = {n: records.epochs[trial, facts["fold"], n].scores["validation_loss"] for n in (1, 3)}
    assert loss == pytest.approx(of_epoch[3], rel=1e-4)
    assert loss != pytest.approx(of_epoch[1], rel=1e-2)
