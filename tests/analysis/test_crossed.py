"""The crossed interval, compared with a mixed model, with hand computation on recorded predictions, and with itself."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as theirs
from statsmodels.regression.mixed_linear_model import MixedLM

from tune_app.analysis.cells import LABEL_METRICS, build_pseudo_values, find_cells
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.crossed import Cells, build_crossed_t_test
from tune_app.records import unpack_labels
from tune_app.records.results import Results, read_results
from tune_app.study import TrialSpec

REPORT = Path(__file__).parents[2] / "results" / "report"


@pytest.fixture(scope="module")
def report() -> Results:
    return read_results(REPORT)


def draw_cells(fits: int, images: int, spreads: tuple[float, float, float], seed: int = 0) -> Cells:
    """Scores with known standard deviations over fits, over images, and of their interaction."""
    source = np.random.default_rng(seed)
    rows, columns = source.normal(0, spreads[0], fits), source.normal(0, spreads[1], images)
    cells = source.normal(0, spreads[2], (fits, images))
    crossed: Cells = 0.5 + rows[:, None] + columns + cells
    return crossed


@pytest.mark.parametrize("spreads", [(0.3, 0.5, 1.0), (1.0, 0.2, 0.5), (0.5, 1.0, 0.2)])
def test_the_standard_error_is_that_of_a_mixed_model(spreads: tuple[float, float, float]) -> None:
    """Of a balanced design, restricted maximum likelihood and mean squares agree: score ~ 1 + (1|fit) + (1|image)."""
    cells = draw_cells(12, 25, spreads)
    fits, images = np.indices(cells.shape)
    frame = pd.DataFrame({"score": cells.ravel(), "fit": fits.ravel(), "image": images.ravel(), "all": 1})
    formulas = {"fit": "0 + C(fit)", "image": "0 + C(image)"}
    model = MixedLM.from_formula("score ~ 1", frame, groups="all", vc_formula=formulas).fit(reml=True)
    test = build_crossed_t_test([cells], [4])
    assert test.effect == pytest.approx(model.fe_params["Intercept"], rel=1e-6)
    assert test.standard_error == pytest.approx(model.bse["Intercept"], rel=0.01)


def compute_by_hand(cells: Cells) -> tuple[float, float, float]:
    """Effect, standard error and degrees of freedom, written out from the mean squares."""
    j, n = cells.shape
    grand = sum(cells[f, i] for f in range(j) for i in range(n)) / (j * n)
    rows, columns = [sum(row) / n for row in cells], [sum(column) / j for column in cells.T]
    ms_fit = n * sum((mean - grand) ** 2 for mean in rows) / (j - 1)
    ms_image = j * sum((mean - grand) ** 2 for mean in columns) / (n - 1)
    rest = sum((cells[f, i] - rows[f] - columns[i] + grand) ** 2 for f in range(j) for i in range(n))
    ms_rest = rest / ((j - 1) * (n - 1))
    total = ms_fit + ms_image - ms_rest
    df = total**2 / (ms_fit**2 / (j - 1) + ms_image**2 / (n - 1) + ms_rest**2 / ((j - 1) * (n - 1)))
    return grand, math.sqrt(total / (n * j)), df


def read_right(specs: list[TrialSpec], labels: np.ndarray) -> np.ndarray:
    """(fit, image): whether each fit names each image rightly, read from the lines of the records."""
    lines = map(json.loads, (REPORT / "records.jsonl").read_text().splitlines())
    found = {
        (line["trial"], line["fold"]): line for line in lines if "test_predictions" in line or "predictions" in line
    }
    rows = [found[spec.id, fold] for spec in specs for fold in range(spec.folds)]
    return np.array([unpack_labels(row.get("predictions") or row["test_predictions"]) == labels for row in rows])


@pytest.mark.parametrize("folds", [4, 10])
def test_batch_normalisation_on_mnist_has_the_interval_of_its_predictions(report: Results, folds: int) -> None:
    """CNN+BN − CNN on test accuracy: the interval that anybody can check by hand from the predictions."""
    assert report.test is not None
    conditions = {
        (s[0].regularizer, s[0].folds): list(s)
        for s in report.study.conditions()
        if s[0].model == "cnn" and s[0].condition["protocol"] == "sound"
    }
    shared = min(len(conditions[name, folds]) for name in ("batchnorm", "none"))  # a replicate may lack its partner
    with_, without = (
        read_right(conditions[name, folds][:shared], report.test.labels).astype(float) for name in ("batchnorm", "none")
    )
    effect, error, df = compute_by_hand(with_ - without)
    half = stats.t.ppf(0.975, df) * error
    frame = build_contrasts(report)
    chosen = frame[(frame["metric"] == "test_accuracy") & (frame["regularizer"] == "batchnorm")]
    (row,) = chosen[(chosen["folds"] == folds) & (chosen["protocol"] == "sound")].to_dict("records")
    assert row["estimand"] == "new images"
    numbers = (row["effect"], row["ci95_low"], row["ci95_high"], row["df"])
    assert numbers == pytest.approx((effect, effect - half, effect + half, df), rel=1e-9)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(effect / error), df), rel=1e-9)


def test_where_the_interaction_is_all_there_is_the_error_is_no_smaller_than_that_of_either_alone() -> None:
    for seed in range(20):
        cells = draw_cells(5, 40, (0.0, 0.0, 1.0), seed)
        test = build_crossed_t_test([cells], [5])
        alone = [np.std(cells.mean(axis=a), ddof=1) / math.sqrt(cells.shape[1 - a]) for a in (0, 1)]
        assert test.standard_error >= max(alone) - 1e-15
        assert 1 <= test.df <= cells.size
        assert sum(test.shares) == pytest.approx(1)
        assert min(test.shares) >= 0


def test_more_replicates_and_more_images_narrow_what_is_theirs() -> None:
    test = build_crossed_t_test([draw_cells(8, 100, (0.5, 1.0, 1.0))], [4])
    same = test.with_replicates(2)
    assert same.standard_error == pytest.approx(test.standard_error)
    many = test.with_replicates(10_000)
    assert many.shares.images > 0.99
    assert many.standard_error < test.standard_error
    assert test.with_images(10**7).shares.seeds > 0.99


def test_unpaired_sides_add_their_variance_over_fits_and_share_their_images() -> None:
    """Against a simulation: two sets of fits, all tested on the same images."""
    draws = []
    inside = 0
    for seed in range(400):
        source = np.random.default_rng(seed)
        images = source.normal(0, 1, 60)  # what is hard for one is hard for the other: it cancels
        sides = [images + source.normal(0, 0.3, (n, 1)) + source.normal(0, 0.5, (n, 60)) for n in (4, 10)]
        test = build_crossed_t_test(sides, [4, 10])
        draws.append(test.effect)
        inside += test.interval[0] <= 0 <= test.interval[1]
    assert inside / 400 == pytest.approx(0.95, abs=0.03)
    assert np.std(draws) < 0.3, "without common images it would be as large as theirs"


@pytest.mark.parametrize("name", ["macro_f1", "balanced_accuracy", "mcc", "kappa", "accuracy"])
def test_pseudo_values_are_those_of_leaving_each_image_out(name: str) -> None:
    source = np.random.default_rng(3)
    true = source.choice(3, 60, p=[0.6, 0.3, 0.1])
    predicted = np.where(source.random(60) < 0.7, true, source.choice(3, 60))
    score = {
        "macro_f1": lambda t, p: theirs.f1_score(t, p, average="macro"),
        "balanced_accuracy": theirs.balanced_accuracy_score,
        "mcc": theirs.matthews_corrcoef,
        "kappa": theirs.cohen_kappa_score,
        "accuracy": theirs.accuracy_score,
    }[name]
    whole = score(true, predicted)
    others = [score(np.delete(true, i), np.delete(predicted, i)) for i in range(60)]
    by_hand = [60 * whole - 59 * other for other in others]
    assert build_pseudo_values(true, predicted, LABEL_METRICS[f"test_{name}"]) == pytest.approx(by_hand, abs=1e-9)


def draw_labels(source: np.random.Generator, fits: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """True classes (image,) and predicted ones (fit, image): some images are hard, some fits are worse."""
    true = source.choice(3, images, p=[0.6, 0.3, 0.1])
    hard = source.normal(0, 1, images) + source.normal(0, 0.5, (fits, 1)) + source.normal(0, 0.7, (fits, images))
    return true, np.where(hard < 1, true, source.choice(3, (fits, images)))


@pytest.mark.slow
def test_the_error_of_macro_f1_is_that_of_the_pigeonhole_bootstrap_which_errs_on_the_wide_side() -> None:
    """Owen 2007: fits and images are drawn anew, with replacement, at the same time."""
    source = np.random.default_rng(5)
    true, predicted = draw_labels(source, 10, 300)
    cells = np.stack([build_pseudo_values(true, row, LABEL_METRICS["test_macro_f1"]) for row in predicted])
    test = build_crossed_t_test([cells], [10])
    draws = []
    for _ in range(400):
        fits, images = source.choice(10, 10), source.choice(300, 300)
        scores = [theirs.f1_score(true[images], predicted[fit][images], average="macro") for fit in np.unique(fits)]
        draws.append(np.average(scores, weights=np.unique(fits, return_counts=True)[1]))
    assert 0.9 < np.std(draws) / test.standard_error < 1.4


def test_cells_average_to_the_recorded_accuracy(report: Results) -> None:
    specs = report.study.conditions()[0]
    cells = find_cells(report, specs, "test_accuracy")
    assert cells is not None
    recorded = [report.records.folds[spec.id, fold].scores["test_accuracy"] for spec in specs for fold in range(4)]
    assert cells.mean(axis=1) == pytest.approx(recorded, abs=1e-12)
    assert find_cells(report, specs, "test_loss") is None, "losses by image are not recorded"
