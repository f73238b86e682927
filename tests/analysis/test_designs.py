"""What components do: compared with brute force, least squares and scipy, on real scores and on games by hand."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols

from tests.ablations import COMPONENTS, FOLDS, REPLICATES, Scores, score_ablation
from tune_app.analysis.design_sentences import build_design_sentence
from tune_app.analysis.designs import (
    ADD_IN,
    INTERACTION,
    LEAVE_OUT,
    MAIN,
    MEAN_OF_BOTH,
    OWED,
    REMAINDER,
    SHAPLEY,
    TOTAL,
    build_design_effects,
    build_interaction_cells,
    find_effects,
)
from tune_app.analysis.estimands import PAIRS
from tune_app.analysis.t_tests import adjust_by_holm, build_corrected_t_test
from tune_app.study.designs import build_conditions
from tune_app.study.fractions import choose_generators, find_aliases

BOTH = ("leave-one-out", "add-one-in")
FULL, BASE = frozenset(COMPONENTS), frozenset[str]()
SIX = ("a", "b", "c", "d", "e", "f")
Present = frozenset[str]


def play(names: Sequence[str], order: int, seed: int = 0, noise: float = 0.0) -> dict[Present, Scores]:
    """Scores of every condition: a random amount for each set of up to `order` components, and noise of every fold."""
    source = np.random.default_rng(seed)
    terms = {frozenset(t): source.normal() for size in range(order + 1) for t in itertools.combinations(names, size)}
    return {
        present: np.full((2, 5), sum(v for term, v in terms.items() if term <= present))
        + source.normal(0, noise, (2, 5))
        for present in build_conditions("factorial", names)
    }


def pick(effects: pd.DataFrame, family: str, column: str = "estimate") -> dict[str, float]:
    return dict(effects[effects["family"] == family].set_index("component")[column])


def test_shapley_values_sum_to_full_minus_base_in_every_fold() -> None:
    scores = score_ablation()
    weights = [effect.weights for effect in find_effects(COMPONENTS, "factorial") if effect.family == SHAPLEY]
    total = sum(weight * scores[present] for shares in weights for present, weight in shares.items())
    assert total == pytest.approx(scores[FULL] - scores[BASE], abs=1e-14)
    effects = build_design_effects(scores, COMPONENTS, "factorial")
    assert sum(pick(effects, SHAPLEY).values()) == pytest.approx(pick(effects, TOTAL)["full − base"], abs=1e-14)


@pytest.mark.parametrize("names", [SIX[:1], SIX[:4], SIX])
def test_shapley_values_equal_the_mean_over_all_orders_of_adding(names: tuple[str, ...]) -> None:
    scores = play(names, len(names), noise=1.0)
    orders = list(itertools.permutations(names))
    expected = dict.fromkeys(names, 0.0)
    for order in orders:
        for position, name in enumerate(order):
            before = frozenset(order[:position])
            expected[name] += float((scores[before | {name}] - scores[before]).mean()) / len(orders)
    found = pick(build_design_effects(scores, names, "factorial"), SHAPLEY)
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_mean_of_leaving_out_and_adding_in_is_shapley_without_interactions_of_three() -> None:
    names, designs = SIX[:5], ("factorial", *BOTH)
    second = build_design_effects(play(names, 2), names, designs)
    assert pick(second, MEAN_OF_BOTH) == pytest.approx(pick(second, SHAPLEY), abs=1e-12)
    assert pick(second, REMAINDER)["sum − total"] == pytest.approx(0, abs=1e-12)
    third = build_design_effects(play(names, 3), names, designs)
    gaps = [abs(pick(third, MEAN_OF_BOTH)[name] - pick(third, SHAPLEY)[name]) for name in names]
    assert max(gaps) > 0.1
    assert abs(pick(third, REMAINDER)["sum − total"]) > 0.1


def test_main_effects_and_interactions_equal_least_squares_with_effects_coding() -> None:
    scores = score_ablation()
    rows = [
        {name: 0.5 if name in present else -0.5 for name in COMPONENTS} | {"score": score}
        for present, values in scores.items()
        for score in values.ravel()
    ]
    fitted = ols("score ~ (scaling + worst + neighbours) ** 2", pd.DataFrame(rows)).fit().params
    effects = build_design_effects(scores, COMPONENTS, "factorial")
    found = pick(effects, MAIN) | pick(effects, INTERACTION)
    assert found == pytest.approx(dict(fitted.drop("Intercept")), abs=1e-12)
    assert len(found) == 6


def test_a_fraction_estimates_the_sum_of_the_effects_that_it_cannot_tell_apart() -> None:
    names = SIX[:4]
    scores = play(names, 2)
    whole = build_design_effects(scores, names, "factorial")
    kept = {present: scores[present] for present in build_conditions("fractional", names)}
    fraction = build_design_effects(kept, names, "fractional")
    assert pick(fraction, MAIN) == pytest.approx(pick(whole, MAIN), abs=1e-12)
    parts = pick(whole, INTERACTION)
    assert pick(fraction, INTERACTION)["a:b"] == pytest.approx(parts["a:b"] + parts["c:d"], abs=1e-12)
    aliased = pick(fraction, INTERACTION, "aliased_with")
    sentences = [f"{first} is aliased with {others}" for first, others in aliased.items()]
    assert sentences == find_aliases(names, choose_generators(4, 4))
    assert (fraction["aliased_with"][fraction["family"] == MAIN] == "").all()


@pytest.mark.parametrize(
    ("family", "component", "combine"),
    [
        (LEAVE_OUT, "scaling", lambda s: s[FULL] - s[FULL - {"scaling"}]),
        (ADD_IN, "worst", lambda s: s[frozenset({"worst"})] - s[BASE]),
        (OWED, "worst", lambda s: s[FULL] - s[FULL - {"worst"}] - s[frozenset({"worst"})] + s[BASE]),
        (TOTAL, "full − base", lambda s: s[FULL] - s[BASE]),
    ],
)
def test_an_effect_has_the_corrected_interval_of_its_differences_by_fold(
    family: str, component: str, combine: Callable[[dict[Present, Scores]], Scores]
) -> None:
    scores = score_ablation()
    effects = build_design_effects(scores, COMPONENTS, BOTH)
    test = build_corrected_t_test(combine(scores).ravel(), FOLDS)
    row = effects[(effects["family"] == family) & (effects["component"] == component)].iloc[0]
    numbers = [row[name] for name in ("estimate", "ci95_low", "ci95_high", "t", "p_value")]
    assert numbers == pytest.approx([test.effect, *test.interval, test.t, test.p_value], abs=1e-12)
    assert row["n_pairs"] == REPLICATES * FOLDS


def test_holms_family_is_one_kind_of_effect() -> None:
    effects = build_design_effects(score_ablation(), COMPONENTS, ("factorial", *BOTH))
    for _, family in effects.groupby("family"):
        assert list(family["p_holm"]) == pytest.approx(list(adjust_by_holm(list(family["p_value"]))), abs=1e-15)
    assert len(effects["family"].unique()) == 9


def test_a_condition_without_scores_costs_the_effects_that_need_it_and_no_others() -> None:
    scores = {present: values for present, values in score_ablation().items() if present != FULL - {"worst"}}
    effects = build_design_effects(scores, COMPONENTS, "leave-one-out").set_index("component")
    assert effects["estimate"].isna().to_dict() == {"scaling": False, "worst": True, "neighbours": False}
    reason = "the condition full without worst has no scores; run the study again to complete it."
    assert effects["reason"]["worst"] == reason
    assert reason in build_design_sentence(effects.reset_index())


def test_undefined_scores_and_other_folds_are_refused_with_a_sentence() -> None:
    scores = dict(score_ablation())
    scores[FULL - {"worst"}] = np.full((REPLICATES, FOLDS), math.nan)
    scores[FULL - {"scaling"}] = np.zeros((1, FOLDS))
    effects = build_design_effects(scores, COMPONENTS, "leave-one-out").set_index("component")
    assert "full without worst has scores that are undefined" in effects["reason"]["worst"]
    assert "1 replicates of 5 folds and 2 replicates of 5 folds" in effects["reason"]["scaling"]
    assert effects["reason"]["neighbours"] == ""


def test_with_few_pairs_there_are_intervals_and_no_p_values() -> None:
    scores = {present: values[:1] for present, values in score_ablation().items()}
    effects = build_design_effects(scores, COMPONENTS, "leave-one-out")
    assert PAIRS.least > FOLDS
    assert effects["ci95_low"].notna().all()
    assert effects["p_holm"].isna().all()
    sentence = build_design_sentence(effects)
    assert sentence.count("5 pairs of held-out folds are too few for a p-value") == 1
    assert "lowers" not in sentence


def test_a_component_that_changes_nothing_has_no_spread_and_no_test() -> None:
    scores = {present: score_ablation()[present - {"worst"}] for present in score_ablation()}
    effects = build_design_effects(scores, COMPONENTS, "factorial").set_index(["family", "component"])
    assert effects["estimate"][SHAPLEY, "worst"] == 0
    assert "in all 10 of them it is 0" in effects["reason"][SHAPLEY, "worst"]


def test_two_components_have_no_remainder_and_one_owes_nothing_to_others() -> None:
    two, one = ({effect.family for effect in find_effects(SIX[:count], BOTH)} for count in (2, 1))
    assert two == {TOTAL, LEAVE_OUT, ADD_IN, OWED, MEAN_OF_BOTH}
    assert one == {TOTAL, LEAVE_OUT, ADD_IN}


def test_cell_means_give_the_interactions() -> None:
    scores = score_ablation()
    cells = build_interaction_cells(scores, COMPONENTS, ("factorial", "leave-one-out"))
    expected = pick(build_design_effects(scores, COMPONENTS, "factorial"), INTERACTION)
    for component, four in cells.groupby("component"):
        means = four.set_index(["first_side", "second_side"])["mean"]
        by_hand = (
            means["with", "with"] - means["without", "with"] - means["with", "without"] + means["without", "without"]
        )
        assert by_hand == pytest.approx(expected[str(component)], abs=1e-12)
    assert len(cells) == 12


def test_without_interactions_that_can_be_estimated_there_are_no_cells() -> None:
    assert build_interaction_cells(score_ablation(), COMPONENTS, "leave-one-out").empty
    assert build_interaction_cells(score_ablation(), COMPONENTS, "fractional", 3).empty


def test_the_sentence_says_what_the_numbers_say() -> None:
    effects = build_design_effects(score_ablation(), COMPONENTS, "leave-one-out").set_index("component")
    effects["p_holm"] = [0.001, 0.2, 0.04]
    effects["estimate"] = [0.03, 0.001, -0.0102]
    effects["ci95_low"], effects["ci95_high"] = [0.02, -0.01, -0.02], [0.04, 0.02, -0.0004]
    assert build_design_sentence(effects.reset_index(), "accuracy", 100, "points") == (
        "In the full system, leaving out scaling lowers accuracy by 3.00 points (2.00 to 4.00); leaving out neighbours "
        "raises accuracy by 1.02 points (0.04 to 2.00); no effect of leaving out is shown for worst. In brackets are "
        "95% intervals; p-values are adjusted by Holm within each kind of effect."
    )


def test_a_sentence_names_every_component_of_every_family_that_it_speaks_of() -> None:
    sentence = build_design_sentence(build_design_effects(score_ablation(), COMPONENTS, ("factorial", *BOTH)))
    for component in COMPONENTS:
        assert sentence.count(component) >= 5, sentence
    assert "nan" not in sentence
    assert "None" not in sentence
