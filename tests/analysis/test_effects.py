"""Effects of a grid's factors: compared with least squares, with a mixed model, and by hand, on real predictions."""

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats.multitest import multipletests

from tests.builders import build_results, build_study
from tests.digit_grid import (
    CHANGES,
    GRID,
    REGULARIZERS,
    WIDTHS,
    Array,
    build_crossed_results,
    find_right,
    score,
)
from tune_app.analysis.designs import INTERACTION, MAIN
from tune_app.analysis.effects import build_effects, find_grid_designs, find_grid_effects
from tune_app.analysis.t_tests import build_corrected_t_test
from tune_app.export.tables.effects import build_effect_table
from tune_app.export.tables.markdown import render_markdown
from tune_app.records.results import read_results


def build_long() -> pd.DataFrame:
    """A row a condition, fit and image."""
    rows = []
    for width, name, replicate, fold in itertools.product(WIDTHS, REGULARIZERS, range(2), range(4)):
        right = find_right(width, name, replicate, fold)
        place = {"width": str(width), "regularizer": name, "fit": 4 * replicate + fold}
        rows += [place | {"image": image, "right": value} for image, value in enumerate(right)]
    return pd.DataFrame(rows)


def build_cells(change: str) -> Array:
    """The effect image by image (fit, image), straight from its definition."""
    right = {
        (width, name): np.array([find_right(width, name, r, f) for r in range(2) for f in range(4)])
        for width in WIDTHS
        for name in REGULARIZERS
    }
    small, large = WIDTHS
    if change == "width: 0.05 → 0.1":
        whole: Array = np.mean([right[large, name] - right[small, name] for name in REGULARIZERS], axis=0)
        return whole
    level = change.rsplit(" ", 1)[1]
    by_width = {width: right[width, level] - right[width, "none"] for width in WIDTHS}
    found: Array = by_width[large] - by_width[small] if "×" in change else (by_width[small] + by_width[large]) / 2
    return found


def pick(effects: pd.DataFrame, change: str) -> dict[Any, Any]:
    (row,) = effects[effects["change"] == change].to_dict("records")
    return row


def test_every_level_is_compared_with_the_baselines_and_every_pair_of_factors_crossed() -> None:
    effects = build_effects(build_crossed_results())
    assert dict(zip(effects["change"], effects["family"], strict=True)) == CHANGES
    assert (effects["n_pairs"] == 8).all()
    assert effects["n_conditions"].tolist() == [6, 4, 4, 4, 4]
    assert set(effects["estimand"]) == {"new images"}


def test_main_effects_are_those_of_an_additive_model_and_interactions_of_one_with_products() -> None:
    effects, long = build_effects(build_crossed_results()), build_long()
    factors = "C(width, Treatment('0.05')) {} C(regularizer, Treatment('none'))"
    for symbol, family in (("+", MAIN), ("*", INTERACTION)):
        fitted = ols(f"right ~ {factors.format(symbol)}", long).fit().params
        for change in (change for change, each in CHANGES.items() if each == family):
            levels = [part.rsplit(" ", 1)[1] for part in change.split(" × ")]
            (name,) = [
                name
                for name in fitted.index
                if name.count("[T.") == len(levels) and all(f"[T.{x}]" in name for x in levels)
            ]
            assert pick(effects, change)["estimate"] == pytest.approx(fitted[name])


@pytest.mark.parametrize("change", CHANGES)
def test_the_interval_is_that_of_a_mixed_model_with_random_fits_and_random_images(change: str) -> None:
    """In R: lmer(d ~ 1 + (1|fit) + (1|image), REML = TRUE), d the weighted sum of the conditions' scores in a cell.

    The same with statsmodels 0.15: all rows are one group, and fits and images are variance components of it. Of its
    optimisers Nelder and Mead's finds the maximum on all five, one of which has no variance between fits.
    """
    cells = build_cells(change)
    fits, images = (axis.ravel() for axis in np.indices(cells.shape))
    long = pd.DataFrame({"d": cells.ravel() / cells.std(), "fit": fits, "image": images, "all": 1})
    vc = {"fit": "0 + C(fit)", "image": "0 + C(image)"}
    model = MixedLM.from_formula("d ~ 1", groups="all", re_formula="0", vc_formula=vc, data=long)
    with warnings.catch_warnings(action="ignore"):  # it is told where a variance is 0
        theirs = model.fit(reml=True, method="nm")
    row = pick(build_effects(build_crossed_results()), change)
    half = (row["ci95_high"] - row["ci95_low"]) / 2 / stats.t.ppf(0.975, row["df"])
    assert theirs.converged
    assert row["estimate"] == pytest.approx(float(theirs.fe_params.iloc[0]) * cells.std(), abs=1e-9)
    assert half == pytest.approx(float(theirs.bse_fe.iloc[0]) * cells.std(), rel=1e-3)


def test_holms_families_are_the_main_effects_and_the_interactions() -> None:
    effects = build_effects(build_crossed_results())
    for _, family in effects.groupby("family"):
        assert family["p_holm"].tolist() == pytest.approx(list(multipletests(family["p_value"], method="holm")[1]))


def test_held_out_folds_are_tested_with_the_corrected_error() -> None:
    study = build_study(grid=GRID, baseline={"regularizer": "none"}, test="none")
    effects = build_effects(build_results(study, score))
    for change in CHANGES:
        theirs = build_corrected_t_test(build_cells(change).mean(axis=1), 4)
        row = pick(effects, change)
        assert (row["estimate"], row["ci95_low"], row["ci95_high"]) == pytest.approx((theirs.effect, *theirs.interval))
        assert row["p_value"] == pytest.approx(theirs.p_value)
        assert row["method"].startswith("corrected resampled t-test")


def test_of_these_images_a_t_test_counts_fits() -> None:
    effects = build_effects(build_crossed_results(inference="these-images"))
    for change in CHANGES:
        theirs = stats.ttest_1samp(build_cells(change).mean(axis=1), 0)
        assert pick(effects, change)["p_value"] == pytest.approx(theirs.pvalue)
    assert set(effects["estimand"]) == {"these images"}


def test_weights_of_three_factors_average_over_the_third() -> None:
    factors: dict[str, tuple[Any, ...]] = {"a": (0, 1), "b": (0, 1, 2), "c": ("x", "y")}
    effects = list(find_grid_effects(factors))
    assert [effect.family for effect in effects] == [MAIN] * 4 + [INTERACTION] * 5
    assert all(sum(effect.weights.values()) == pytest.approx(0) for effect in effects)
    truth = {(a, b, c): 2 * a + 3 * b + 5 * (c == "y") + 7 * a * b for a, b, c in itertools.product(*factors.values())}
    found = {e.change: sum(weight * truth[levels] for levels, weight in e.weights.items()) for e in effects}
    assert found["a: 0 → 1"] == pytest.approx(2 + 7), "b is 1 on average"
    assert found["b: 0 → 2"] == pytest.approx(6 + 7)
    assert found["a: 0 → 1 × b: 0 → 2"] == pytest.approx(14)
    assert found["b: 0 → 1 × c: x → y"] == pytest.approx(0)


def test_conditions_with_other_splits_are_designs_of_their_own() -> None:
    grid = [GRID[0] | {"folds": [4, 10]}]
    designs = find_grid_designs(build_study(grid=grid))
    assert [(list(design.factors), len(design.conditions)) for design in designs] == [(["width", "regularizer"], 6)] * 2
    assert "4 folds" in designs[0].setting
    assert "10 folds" in designs[1].setting


@pytest.mark.parametrize(
    "grid",
    [
        [GRID[0] | {"width": 0.05}],
        [GRID[0] | {"width": 0.05, "folds": [4, 10]}],
        [GRID[0] | {"width": level, "regularizer": name} for level, name in itertools.product(WIDTHS, REGULARIZERS)],
        [GRID[0] | {"protocol": ["sound", "test-normalisation"]}],
    ],
    ids=["one factor", "other splits", "entries of one condition", "an audit's"],
)
def test_without_two_factors_that_vary_together_there_are_no_effects(grid: list[dict[str, Any]]) -> None:
    assert not find_grid_designs(build_study(grid=grid))


@pytest.mark.parametrize("name", ["quick", "report", "audit"])
def test_the_shipped_studies_have_no_such_grid(name: str) -> None:
    assert build_effects(read_results(Path("results") / name)).empty


def test_an_effect_that_needs_a_condition_without_scores_says_so_and_the_others_stay() -> None:
    results = build_crossed_results()
    gone = next(
        trial.spec.id
        for trial in results.study.grid_trials()
        if (trial.spec.width, trial.spec.regularizer) == (WIDTHS[0], "dropout")
    )
    del results.records.folds[gone, 0]
    effects = build_effects(results)
    refused = effects[effects["estimate"].isna()]
    assert all("dropout" in change or change.startswith("width: 0.05 → 0.1") for change in refused["change"])
    assert refused["reason"].str.contains("fits 7/8").all()
    kept = {"regularizer: none → batchnorm", "width: 0.05 → 0.1 × regularizer: none → batchnorm"}
    assert set(effects["change"]) - set(refused["change"]) == kept


def test_the_table_has_a_group_for_each_family_and_says_what_its_intervals_speak_of() -> None:
    results = build_crossed_results()
    table = build_effect_table(results, build_effects(results))
    text = render_markdown(table)
    assert [group.caption.split(",")[0].split(":")[0] for group in table.groups] == ["Main effects", "Interactions"]
    assert "| regularizer: none → batchnorm" in text
    assert "The numbers speak of new images: other test images" in text
