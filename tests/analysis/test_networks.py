"""Single networks, compared image by image."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tests.builders import CARRY_OVER_GRID, build_effect_results
from tune_app.analysis.networks import build_networks
from tune_app.records import pack_labels


def test_single_networks_are_compared_on_the_images_both_saw() -> None:
    results = build_effect_results()
    labels = np.arange(60, dtype=np.uint8) % 10
    frame = build_networks(results, labels)
    assert len(frame) == 5
    assert set(frame["p_value"]) == {1.0}
    wrong = labels.copy()
    wrong[:30] = (wrong[:30] + 1) % 10
    spec = results.study.conditions()[0][0]
    results.records.add(replace(results.records.folds[spec.id, 0], predictions=pack_labels(wrong)))
    row = build_networks(results, labels).to_dict("records")[-1]
    assert (row["only_condition_right"], row["only_baseline_right"], row["effect"]) == (0, 0, 0.0)
    first = build_networks(results, labels).to_dict("records")[1]
    assert first["effect"] == 0.5
    assert first["p_value"] < 1e-6


def test_networks_tested_on_other_images_are_left_out() -> None:
    results = build_effect_results()
    spec = results.study.conditions()[2][0]
    other = replace(results.records.folds[spec.id, 0], predictions=pack_labels(np.ones(59, dtype=np.uint8)))
    results.records.add(other)
    assert len(build_networks(results, np.arange(60, dtype=np.uint8) % 10)) == 4


def test_a_carried_network_is_the_one_of_the_last_fold() -> None:
    results = build_effect_results(grid=CARRY_OVER_GRID, baseline={"protocol": "sound"})
    labels = np.arange(60, dtype=np.uint8) % 10
    (carried,) = (s[0] for s in results.study.conditions() if s[0].has_dependent_folds)
    wrong = pack_labels((labels + 1) % 10)
    results.records.add(replace(results.records.folds[carried.id, 3], predictions=wrong))
    (row,) = build_networks(results, labels).to_dict("records")
    assert (row["fold"], row["baseline_fold"], row["accuracy"]) == (4, 1, 0)
    assert pd.isna(row["ci95_low"]), "every resample of the images is the same"
