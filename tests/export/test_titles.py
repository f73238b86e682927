"""Titles of figures: sentences that say what the numbers decide, and no more."""

from typing import Any

import pandas as pd
import pytest

from tests.builders import CARRY_OVER_GRID, build_results, build_study
from tune_app.export.figures.scores import build_scores, spell_scores_title
from tune_app.export.figures.titles import (
    title_audit,
    title_confused,
    title_confusion,
    title_contrasts,
    title_critical_difference,
    title_curves,
    title_effects,
    title_looks,
    title_precision_recall,
    title_roc,
    title_schedule,
    title_scores,
    title_scores_over_data,
    title_shares,
)

CONTRAST = {
    "unit": "share",
    "better": "higher",
    "ci95_low": -0.006,
    "ci95_high": -0.001,
    "baseline_row": "CNN, 4 folds",
}


def contrasts(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([CONTRAST | row for row in rows])


def spell(first: str, second: str) -> tuple[str, str, str]:
    return first.partition(",")[0], second.partition(",")[0], "4 folds"


WORSE = {"row": "CNN+BN, 4 folds", "effect": -0.0035, "p_holm": 0.01}
OPEN = {"row": "CNN+DP, 4 folds", "effect": 0.05, "p_holm": 0.3}
UNTESTED = {"row": "vgg, 4 folds", "effect": 0.5, "p_holm": None}


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ([WORSE], "CNN+BN is worse than CNN by 0.35 points (4 folds)"),
        (
            [WORSE, OPEN],
            "1 of 2 differences from the baseline is decided: "
            "CNN+BN is worse than CNN by 0.35 points (4 folds)",
        ),
        (
            [WORSE, WORSE | {"row": "CNN+X, 4 folds", "effect": 0.0351}, UNTESTED],
            "2 of 2 differences from the baseline are decided; the largest: "
            "CNN+X is better than CNN by 3.51 points (4 folds)",
        ),
        ([OPEN], "The difference between CNN+DP and CNN is not decided"),
        ([OPEN, OPEN], "No difference from the baseline is decided, of 2"),
        ([UNTESTED], "No difference from the baseline is tested"),
        (
            [WORSE | {"unit": "s", "better": "lower", "effect": -3.2, "ci95_low": -4.0, "ci95_high": -2.4}],
            "CNN+BN is better than CNN by 3.20 s (4 folds)",
        ),
        (
            [WORSE | {"unit": "", "better": "lower", "effect": 0.2, "ci95_low": 0.1, "ci95_high": 0.3}],
            "CNN+BN is worse than CNN by 0.20 (4 folds)",
        ),
    ],
)  # fmt: skip
def test_contrasts_are_decided_after_holm_or_said_to_be_open(rows: list[dict[str, Any]], title: str) -> None:
    assert title_contrasts(contrasts(*rows), spell) == title


def means(**scores: float) -> pd.DataFrame:
    rows = [(row.replace("_", ", "), score, score - 0.01, score + 0.01) for row, score in scores.items()]
    return pd.DataFrame(rows, columns=["row", "score", "ci95_low", "ci95_high"])


def test_the_mean_at_the_better_end_is_named() -> None:
    both = means(net_wide=0.9, forest=0.7)
    higher, lower = (title_scores(both, "test_rmse", better) for better in ("higher", "lower"))
    assert higher == "Mean test rmse runs from 0.700 to 0.900, the highest with net (wide)"
    assert lower == "Mean test rmse runs from 0.700 to 0.900, the lowest with forest"
    assert title_scores(means(forest=0.7), "test_rmse", "lower") == "forest has a mean test rmse of 0.700"
    assert title_scores(means(), "test_rmse", "lower") == "No condition has a mean test rmse yet"
    assert (
        title_scores(means(a=0.7, b=0.7), "test_r2", "higher") == "All 2 conditions have a mean test r2 of about 0.700"
    )


def test_over_data_sets_the_best_is_counted() -> None:
    scores = {("net", "a"): 0.9, ("net", "b"): 0.8, ("forest", "a"): 0.7, ("forest", "b"): 0.85, ("net", "c"): 0.5}
    means = pd.DataFrame([(*key, score) for key, score in scores.items()], columns=["name", "dataset", "score"])
    found = title_scores_over_data(means, "test_accuracy", "higher")
    assert found == "net has the highest mean test accuracy on 2 of 3 data sets"


def curve(row: str, *values: float) -> pd.DataFrame:
    frame = pd.DataFrame({"epoch": range(1, len(values) + 1), "mean": values})
    return frame.assign(row=row, metric="loss", split="validation")


def test_curves_say_where_the_last_epoch_is_the_best() -> None:
    falls, rises = curve("a", 0.3, 0.2), curve("b", 0.2, 0.3)
    end = "after the last epoch in"
    assert (
        title_curves(pd.concat([falls, rises]), "loss", "lower")
        == f"Mean validation loss is lowest {end} 1 of 2 conditions"
    )
    assert title_curves(rises, "loss", "lower") == "Mean validation loss is lowest before the last epoch"
    assert title_curves(pd.concat([falls, falls.assign(row="c")]), "loss", "lower").endswith(f"{end} all 2 conditions")
    assert title_curves(falls.assign(split="training"), "loss", "lower") == "Loss of the training part by epoch"


def matrix(row: str, *shares: float) -> pd.DataFrame:
    cells = [(row, true, predicted) for true in (0, 1) for predicted in (0, 1)]
    return pd.DataFrame(cells, columns=["row", "true", "predicted"]).assign(share=shares)


def test_confusions_name_the_commonest_mistake_or_where_two_conditions_differ() -> None:
    one, other = matrix("a", 0.98, 0.02, 0.4, 0.6), matrix("b", 0.9, 0.1, 0.38, 0.62)
    assert title_confusion(one) == "The commonest mistake: 1 is taken for 0, in 40% of its cases"
    both = title_confusion(pd.concat([one, other]))
    assert both == "0 is taken for 1 in 2.0% to 10% of its cases, depending on the condition"
    assert title_confusion(matrix("a", 1, 0, 0, 1)) == "Nothing is taken for anything else"


def test_images_that_every_fit_gets_wrong_are_counted() -> None:
    frame = pd.DataFrame({"row": "CNN, 4 folds", "wrong_fits": [4, 4, 3], "fits": 4})
    assert title_confused(frame) == "2 test images are wrong in every fit of CNN (4 folds)"
    assert title_confused(frame[:2]) == "At least 2 test images are wrong in every fit of CNN (4 folds)"
    assert title_confused(frame[2:]) == "No test image is wrong in every fit of CNN (4 folds); one is in 3 of 4"


def test_the_audit_names_a_defect_only_where_its_interval_is_without_zero() -> None:
    steps = pd.DataFrame(
        {
            "step": ["as reported", "skips", "rest", "sound"],
            "kind": ["total", "change", "change", "total"],
            "points": [84.1, 21.11, -7.2, 98.0],
            "ci95_low": [None, 10.0, -20.0, None],
            "ci95_high": [None, 30.0, 5.0, None],
        }
    )
    assert title_audit(steps) == "Of the way from 84.10% to 98.00%, skips explains +21.11 points"
    steps.loc[1, "ci95_low"] = -1.0
    assert title_audit(steps) == "No defect is shown to explain the way from 84.10% to 98.00%"
    steps.loc[1, ["points", "ci95_low", "ci95_high"]] = [-0.5, -0.7, -0.3]
    assert title_audit(steps).endswith("skips explains −0.50 points")


def test_other_figures_answer_too() -> None:
    shares = pd.DataFrame({"row": ["a", "a", "b", "b"], "source": ["s", "i"] * 2, "share": [0.6, 0.4, 0.7, 0.3]})
    names = {"s": "seeds", "i": "images"}
    assert title_shares(shares, names) == "Seeds are the largest part of the error of every mean"
    looks = pd.DataFrame({"sentence": ["a", "b", "b"], "state": ["decided", "open", "open"], "replicates": [2, 2, 3]})
    assert title_looks(looks) == "After 3 replicates 1 of 2 claims is decided"
    ranks = {"a": 1.2, "b": 2.0, "c": 2.8}
    assert title_critical_difference(ranks, 1.0) == "a has the best average rank, and is told apart from c"
    assert title_critical_difference(ranks, 2.0).endswith("told apart from none of the others")
    effect = {"component": "norm", "estimate": -0.02, "ci95_low": -0.03, "ci95_high": -0.01, "p_holm": 0.001}
    assert title_effects([effect], 100, " points").format(metric="accuracy") == "norm lowers accuracy by 2.00 points"
    assert (
        title_effects([effect | {"p_holm": 0.2}], 100, "")
        == "No effect of a component is decided after Holm's adjustment"
    )
    rates = pd.DataFrame({"row": ["a", "b"], "x": [0.05, 0.05], "mean": [0.9, 0.95]})
    assert (
        title_roc(rates) == "At 5% false alarms, 90.0% to 95.0% of the second class is found on average, the most by b"
    )
    assert title_precision_recall(rates.assign(x=0.9)[:1]).endswith("precision is on average 90.0%")
    fit = {"end_minutes": 0.5, "host": "here", "device": "cpu", "lane": 1, "status": "completed"}
    assert title_schedule(pd.DataFrame([fit])) == "1 fit took 0.5 minutes"


def test_the_scores_of_conditions_with_defects_are_no_part_of_the_title() -> None:
    study = build_study(grid=CARRY_OVER_GRID)
    results = build_results(study, lambda spec, fold: (0.5 if spec.protocol else 0.9) + 0.01 * fold)
    scores = build_scores(results)
    assert spell_scores_title(results, scores).startswith("By sound protocol ")
    assert "0.5" not in spell_scores_title(results, scores)
    assert (scores["score"] < 0.6).any(), "the figure has them"
