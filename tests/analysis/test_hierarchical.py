"""The hierarchical test over data sets: baycomp's numbers by Stan, quadrature, and what is refused."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from tests.over_sets import GAINS, build_over_sets, score
from tune_app.analysis.hierarchical import Within, build_within, build_within_folds, sample_posterior
from tune_app.analysis.over_data import build_data_sets
from tune_app.analysis.t_tests import build_corrected_t_test
from tune_app.errors import RefusedError
from tune_app.export.tables.data_sets import build_data_set_table
from tune_app.export.tables.markdown import render_markdown
from tune_app.export.tables.model import list_records
from tune_app.records import RecordSet
from tune_app.records.results import Results


def build_differences(kind: str) -> NDArray[np.float64]:
    """Differences (data set, fold): clearly above 1%, practically equal, or of a heavy tail between data sets."""
    rng = np.random.default_rng(7)
    gains = {
        "clear": rng.normal(0.03, 0.01, 8),
        "equal": rng.normal(0.0, 0.002, 10),
        "mixed": 0.01 + 0.02 * rng.standard_t(3, 12),
    }[kind]
    spread = {"clear": 0.02, "equal": 0.006, "mixed": 0.015}[kind]
    shared = rng.normal(0, spread * 0.3, len(gains))
    found: NDArray[np.float64] = gains[:, None] + shared[:, None] + rng.normal(0, spread, (len(gains), 10))
    return found


# What baycomp 1.0.3 with pystan 3.10 gives, 80,000 draws in four chains (a compiler and some minutes are needed):
#     d = build_differences("mixed")
#     sample = baycomp.HierarchicalTest.sample(np.zeros_like(d), d, 0.01, runs=1, nsamples=20000, chains=4)
#     np.bincount(np.argmax(sample, axis=1), minlength=3) / len(sample)
# and from the pickle that it leaves: mean, 2.5% and 97.5% quantiles of mu, median of std0, in units of the scores.
STAN: dict[tuple[str, float], tuple[float, float, float]] = {
    ("clear", 0.01): (0.000275, 0.0002125, 0.9995125),
    ("equal", 0.01): (0.0, 1.0, 0.0),
    ("mixed", 0.0): (0.946175, 0.0, 0.053825),
    ("mixed", 0.01): (0.8559125, 0.1022125, 0.041875),
    ("mixed", 0.02): (0.2198, 0.774825, 0.005375),
}
STAN_MEANS = {
    "clear": (0.02768, 0.01683, 0.03839, 0.00911),
    "equal": (-0.00082, -0.00317, 0.00142, 0.00169),
    "mixed": (-0.01170, -0.02747, 0.00298, 0.02179),
}


@pytest.mark.parametrize("kind", STAN_MEANS)
def test_the_posterior_is_the_one_that_baycomp_gets_from_stan(kind: str) -> None:
    posterior = sample_posterior([build_within_folds(row, 10, 0.01) for row in build_differences(kind)])
    for (name, rope), theirs in STAN.items():
        if name == kind:
            assert posterior.find_probabilities(rope) == pytest.approx(theirs, abs=0.012)
    mean, low, high, between = STAN_MEANS[kind]
    unit = (high - low) / 4
    assert posterior.mean.mean() == pytest.approx(mean, abs=0.02 * unit)
    assert posterior.interval == pytest.approx((low, high), abs=0.05 * unit)
    assert float(np.median(posterior.scale)) == pytest.approx(between, rel=0.05)


def test_the_posterior_of_the_mean_is_that_of_quadrature() -> None:
    """Five data sets whose effects are known almost exactly: Students of unknown mean, scale and degrees of freedom."""
    means = np.array([0.2, 0.5, -0.1, 0.9, 0.4])
    posterior = sample_posterior([Within(mean, 1e-4, 50.0, 3.0) for mean in means], seed=1)
    mu, scale = np.linspace(-3, 3, 241), np.exp(np.linspace(-4, 5, 181))
    shape, rate, above = np.linspace(1, 2, 11), np.linspace(0.01, 0.1, 19), np.exp(np.linspace(-5, 6.5, 70))
    prior = stats.gamma.pdf(above[:, None, None], shape[:, None], scale=1 / rate)
    weights = integrate.trapezoid(integrate.trapezoid(prior, rate), shape) * above  # of log(df − 1)
    place = (means[:, None, None] - mu[:, None]) / scale
    density = np.zeros((len(mu), len(scale)))
    for df, weight in zip(above + 1, weights, strict=True):
        density += weight * np.exp((stats.t.logpdf(place, df) - np.log(scale)).sum(axis=0))
    marginal = integrate.trapezoid(density * scale, np.log(scale))
    cumulative = integrate.cumulative_trapezoid(marginal, mu, initial=0)
    for value in (-0.2, 0.1, 0.38, 0.6, 1.0):
        theirs = float(np.interp(value, mu, cumulative / cumulative[-1]))
        assert np.mean(posterior.mean < value) == pytest.approx(theirs, abs=0.01)


def test_the_same_data_give_the_same_draws() -> None:
    data = [build_within_folds(row, 10, 0.0) for row in build_differences("mixed")]
    assert (sample_posterior(data).mean == sample_posterior(data).mean).all()


def test_the_unit_of_the_scores_makes_no_difference() -> None:
    differences = build_differences("mixed")
    small, large = (
        sample_posterior([build_within_folds(row * factor, 10, 0.0) for row in differences]) for factor in (1, 1e5)
    )
    assert small.find_probabilities(0.01) == pytest.approx(large.find_probabilities(1e3), abs=1e-3)


def test_one_data_set_has_the_correlated_students_error_with_a_degree_of_freedom_less() -> None:
    row = build_differences("clear")[0]
    within, t_test = build_within_folds(row, 10, 0.0), build_corrected_t_test(row, 10)
    assert (within.mean, within.df) == pytest.approx((t_test.effect, t_test.df - 1))
    assert within.scale == pytest.approx(t_test.standard_error * math.sqrt(9 / 8))
    assert build_within(t_test, row)[:3] == (t_test.effect, t_test.standard_error, t_test.df)


def test_equal_differences_are_given_the_ropes_spread_and_refused_without_one() -> None:
    equal = np.full(10, 0.004)
    within = build_within_folds(equal, 10, 0.001)
    spread = np.random.default_rng(0).uniform(-0.001, 0.001, (4000, 10))
    scales = [build_within_folds(equal + noise, 10, 0.001).scale for noise in spread]
    assert within.mean == pytest.approx(0.004)
    assert within.scale == pytest.approx(np.sqrt(np.mean(np.square(scales))) * math.sqrt(10 / 9), rel=0.02)
    with pytest.raises(RefusedError, match="without a rope"):
        build_within_folds(equal, 10, 0.0)
    with pytest.raises(RefusedError, match="2 differences"):
        build_within_folds(equal[:2], 2, 0.01)


def test_four_data_sets_are_refused() -> None:
    with pytest.raises(RefusedError, match="4 data sets are too few"):
        sample_posterior([Within(0.1, 0.1, 8, 0.5)] * 4)


def pick_rows(results: Results) -> dict[str, dict[str, Any]]:
    """The rows of data_sets.csv by their conditions."""
    return {record["condition"]: record for record in list_records(build_data_sets(results))}


def test_a_study_over_data_sets_has_the_hierarchical_test_beside_the_ranks() -> None:
    results = build_over_sets(6)
    rows = pick_rows(results)
    specs = {(s[0].dataset, s[0].regularizer): s[0] for s in results.study.conditions()}
    for name in ("dropout", "batchnorm"):
        differences = np.array(
            [
                [score(specs[f"set{n}", name], fold) - score(specs[f"set{n}", "none"], fold) for fold in range(4)]
                for n in range(6)
            ]
        )
        posterior = sample_posterior([build_within_folds(row, 4, 0.001) for row in differences])
        row = rows[name]
        found = (row["p_worse"], row["p_equivalent"], row["p_better"])
        assert found == pytest.approx(posterior.find_probabilities(0.001), abs=1e-9)
        assert row["mean_effect"] == pytest.approx(GAINS[name], abs=0.004)
        assert row["ci95_low"] < row["mean_effect"] < row["ci95_high"]
    assert rows["dropout"]["p_better"] > 0.95
    assert rows["batchnorm"]["p_worse"] > 0.95
    assert pd.isna(rows["no regularizer"]["p_better"])
    text = render_markdown(build_data_set_table(results, build_data_sets(results)))
    assert "equal meaning within ±0.001 (hierarchical test" in text


def test_of_a_metric_that_is_better_low_the_larger_is_worse() -> None:
    results, records = build_over_sets(6, metrics={"primary": "log_loss"}), RecordSet()
    for record in results.records.folds.values():
        records.add(replace(record, scores={"test_log_loss": 1 - record.scores["test_accuracy"]}))
    row = pick_rows(replace(results, records=records))["dropout"]
    assert row["mean_effect"] < 0
    assert row["p_better"] > 0.95


def test_under_five_data_sets_there_is_a_sentence_and_no_such_column() -> None:
    frame = build_data_sets(build_over_sets(4))
    assert "p_better" not in frame
    assert "no test over data sets is given under five" in frame["reason"].iloc[1]
