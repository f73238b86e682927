"""Results that bring everything onto the page, with texts that would break it if they were not escaped."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.builders import build_results, build_study
from tune_app.records import pack_labels
from tune_app.records.results import Results, TestSet
from tune_app.study import TrialSpec

HOSTILE = '<script>alert(1)</script> & "quotes" </script><!--'


def build_page_results(**changes: Any) -> Results:
    claim = {
        "sentence": f"Dropout {HOSTILE} helps.",
        "levels": {"regularizer": "dropout+batchnorm", "folds": 3},
        "against": {"regularizer": "none"},
        "expect": "higher",
    }
    levels = {"regularizer": ["none", "dropout", "dropout+batchnorm"], "folds": [3, 4]}
    grid = [{"model": "cnn", "width": 0.05, **levels}]
    study = build_study(title=f"A title {HOSTILE}", claims=[claim], replicates=3, grid=grid, **changes)

    rng = np.random.default_rng(0)
    labels = (np.arange(60) % 10).astype(np.uint8)
    labels[:5] = 3
    test = TestSet(labels, np.arange(60), rng.integers(0, 255, (5, 8, 8), dtype=np.uint8), np.arange(5))

    def predict(spec: TrialSpec, fold: int) -> Any:
        source = np.random.default_rng([spec.replicate, fold, spec.folds, len(spec.regularizer)])
        is_wrong = source.random(60) < (0.2 if spec.regularizer == "none" else 0.02)
        return np.where(is_wrong, (labels + 1) % 10, labels).astype(np.uint8)

    def score(spec: TrialSpec, fold: int) -> float:
        return float(np.mean(predict(spec, fold) == labels))

    results = build_results(study, score, epochs=(1,))
    for spec in (trial.spec for trial in study.grid_trials()):
        for fold in range(spec.folds):
            record = results.records.folds[spec.id, fold]
            results.records.folds[spec.id, fold] = replace(record, predictions=pack_labels(predict(spec, fold)))
    return replace(results, test=test, environment={"command": "python -m tune_app.grid", "python": "3"})
