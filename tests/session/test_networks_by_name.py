"""Networks that the study defines by their arguments: what comes with a name is no factor of its own."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.own_study import OwnStudy

BY_WIDTH = {
    "net": None,
    "small": {"model": "nets:build_net", "width": 4},
    "large": {"model": "nets:build_net", "width": 16},
}
LARGER = {
    "sentence": "The large one is better.",
    "metric": "validation_share",
    "levels": {"model": "large"},
    "against": {"model": "small"},
    "expect": "higher",
    "by": 0.01,
}


def run(path: Path, **keys: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    study = OwnStudy(path, define=BY_WIDTH, baseline={"model": "small"}, claims=[LARGER], **keys)
    assert study.run() == 0
    folder = path / "results" / "own"
    contrasts = pd.read_csv(folder / "contrasts.csv")
    return contrasts[contrasts["metric"] == "validation_share"], pd.read_csv(folder / "claims.csv")


@pytest.mark.slow
def test_networks_defined_by_different_arguments_differ_in_their_names_alone(tmp_path: Path) -> None:
    contrasts, claims = run(tmp_path, grid=[{"model": ["small", "large"], "folds": 2}])
    found = contrasts[["row", "baseline_row", "differs", "family"]].values.tolist()
    assert found == [["large", "small", "model: small → large", "one factor"]]
    assert claims["n_conditions"].tolist() == [1]


@pytest.mark.slow
def test_a_level_from_the_grid_is_a_change_of_its_own(tmp_path: Path) -> None:
    grid = [{"model": "small", "folds": 2}, {"model": "large", "folds": 2, "width": [16, 32]}]
    contrasts, claims = run(tmp_path, grid=grid)
    rows = contrasts[["row", "differs", "family"]].values.tolist()
    assert rows == [
        ["large, width 16", "model: small → large", "one factor"],
        ["large, width 32", "model: small → large, width: 4 → 32", "several factors"],
    ]
    assert claims["n_conditions"].tolist() == [1], "the claim is about the large one as it is defined"
