"""The simulated ablations in which no component does anything."""

import numpy as np
import pytest

from benchmarks.design_null import NAMES, draw_scores, run_design_null
from benchmarks.null_learners import SEED_NOISE
from tune_app.analysis.designs import find_effects, weigh_scores
from tune_app.study.designs import build_conditions


def test_in_the_simulated_ablations_no_effect_is_there_on_average() -> None:
    source, names = np.random.default_rng(0), NAMES[:2]
    conditions = build_conditions("factorial", names)
    drawn = [draw_scores(source, names, conditions, 4, 1, SEED_NOISE) for _ in range(300)]
    for effect in find_effects(names, "factorial"):
        means = np.array([weigh_scores(effect.weights, scores, names).mean() for scores in drawn])
        assert means.std() > 0.001
        assert abs(means.mean()) < 4 * means.std() / np.sqrt(len(means)), effect
    accuracies = np.array([scores[frozenset(names)].mean() for scores in drawn])
    assert 0.7 < accuracies.mean() < 0.99


@pytest.mark.parametrize("designs", [("factorial",), ("leave-one-out", "add-one-in")])
def test_the_corrected_test_with_holm_finds_little_where_there_is_nothing(designs: tuple[str, ...]) -> None:
    rates = run_design_null(3, designs, folds=5, replicates=2, data_sets=60, seed=1, seed_noise=SEED_NOISE)
    assert set(rates["family"]) == {effect.family for effect in find_effects(NAMES[:3], designs)}
    # Of 60 data sets more than 9 are found with a probability below 1 in 1000 if the rate is 5%.
    assert (rates["whole"] <= 9 / 60).all(), rates
