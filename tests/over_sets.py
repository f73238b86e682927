"""Results of a study over several data sets, whose conditions differ by known amounts."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.builders import build_results, study_content
from tune_app.parts.catalog import build_catalog
from tune_app.parts.references import Scope
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec

GAINS = {"dropout": 0.02, "batchnorm": -0.03, "none": 0.0}


def score(spec: TrialSpec, fold: int) -> float:
    number = int(spec.dataset.removeprefix("set"))
    noise = np.random.default_rng([number, fold, len(spec.regularizer)]).normal(0, 0.004)
    return float(0.8 + 0.01 * number + GAINS[spec.regularizer] + noise)


def build_over_sets(count: int, **changes: Any) -> Results:
    """The held-out folds of three regularizers on so many data sets."""
    names = [f"set{number}" for number in range(count)]
    define = {name: {"data": "bundled", "name": "digits"} for name in names}
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout", "batchnorm"], "folds": 4}]
    content = study_content(**({"define": define, "data": names, "test": "none", "grid": grid} | changes))
    return build_results(Study.model_validate(content, context=build_catalog(content, Scope(Path()))), score)
