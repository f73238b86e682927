"""Metrics of scores and of users on a common test set: their intervals speak of new samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tests.own_study import OwnStudy
from tune_app.export.figures import build_figures
from tune_app.records.results import build_pseudo_key, read_results

LOAD = """
import numpy as np
from sklearn.datasets import load_breast_cancer

from tune_app import Data


def load():
    found = load_breast_cancer()
    inputs, targets = found.data.astype(np.float32), found.target.astype(np.int64)
    names = ("malignant", "benign")
    return Data(inputs[:300], targets[:300], names, test=Data(inputs[300:], targets[300:], names))
"""
METRICS = """
def share(targets, outputs):
    return float((outputs.argmax(axis=1) == targets).mean()) ** 2
"""
KEYS: dict[str, Any] = {
    "test": "auto",
    "metrics": {"primary": "auroc", "also": ["share"]},
    "recipe": {"epochs": 10, "batch_size": 32, "learning_rate": 0.01},
    "grid": [{"model": "net", "folds": 2, "width": [4, 8], "replicates": 2}],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> OwnStudy:
    study = OwnStudy(tmp_path_factory.mktemp("pseudo"), {"load.py": LOAD, "metrics.py": METRICS}, **KEYS)
    assert study.run() == 0
    return study


def read_contrasts(study: OwnStudy) -> pd.DataFrame:
    return pd.read_csv(study.path / "results" / "own" / "contrasts.csv").set_index("metric")


def test_a_metric_of_scores_and_one_of_the_user_speak_of_new_samples(study: OwnStudy) -> None:
    contrasts = read_contrasts(study)
    assert contrasts.loc[["test_auroc", "test_share"], "estimand"].tolist() == ["new images"] * 2
    assert contrasts["estimand"]["test_loss"] == "these images", "losses by sample are not recorded"
    middle = contrasts[["ci95_low", "ci95_high"]].mean(axis=1)
    assert middle["test_auroc"] == pytest.approx(contrasts["effect"]["test_auroc"], abs=1e-9)


def test_pseudo_values_are_those_of_leaving_each_block_out(study: OwnStudy) -> None:
    results = read_results(study.path / "results" / "own")
    record = next(iter(results.records.folds.values()))
    with np.load(study.path / "runs" / "own" / str(record.outputs)) as arrays:
        outputs, targets = arrays["outputs"].astype(np.float64), arrays["targets"]
    scores = outputs[:, 1] - outputs[:, 0]
    blocks = np.arange(len(targets)) % 50
    whole = roc_auc_score(targets, scores)
    by_hand = [50 * whole - 49 * roc_auc_score(targets[blocks != b], scores[blocks != b]) for b in range(50)]
    assert results.pseudo is not None
    assert results.pseudo[build_pseudo_key(record, "test_auroc")] == pytest.approx(by_hand, abs=1e-4)


@pytest.mark.slow
def test_a_metric_added_afterwards_has_its_interval_too_and_a_changed_one_another(
    study: OwnStudy, tmp_path: Path
) -> None:
    before = read_contrasts(study)
    changed = METRICS.replace("** 2", "** 3")
    study.write("metrics.py", changed)
    study.write_study(**KEYS | {"metrics": {"primary": "auroc", "also": ["share", "log_loss"]}})
    assert study.run("--rerun-changed") == 0
    after = read_contrasts(study)
    assert after["estimand"]["test_log_loss"] == "new images"
    assert after["ci95_low"]["test_share"] != before["ci95_low"]["test_share"]
    assert after["ci95_low"]["test_auroc"] == before["ci95_low"]["test_auroc"]


def test_the_curves_of_a_study_of_two_classes_are_kept_with_its_results(study: OwnStudy) -> None:
    results = read_results(study.path / "results" / "own")
    assert results.thresholds is not None
    assert set(results.thresholds["fits"]) == {2}
    assert results.thresholds.groupby("curve")["trial"].nunique().to_dict() == {"precision-recall": 4, "roc": 4}
    record = next(record for record in results.records.folds.values() if record.fold == 0)
    other = results.records.folds[record.trial, 1]
    rates = []
    for fit in (record, other):
        with np.load(study.path / "runs" / "own" / str(fit.outputs)) as arrays:
            outputs, targets = arrays["outputs"].astype(np.float64), arrays["targets"]
        rates.append(roc_auc_score(targets, outputs[:, 1] - outputs[:, 0]))
    curve = results.thresholds.query(f"trial == '{record.trial}' and curve == 'roc'")
    assert np.trapezoid(curve["mean"], curve["x"]) == pytest.approx(np.mean(rates), abs=0.01)
    figures = results_figures(study)
    assert {"roc", "precision-recall"} <= figures.keys()
    assert figures["roc"].startswith("At 5% false alarms, ")


def results_figures(study: OwnStudy) -> dict[str, str]:
    """The titles of the study's figures by name."""
    return {figure.name: figure.title for figure in build_figures(read_results(study.path / "results" / "own"))}
