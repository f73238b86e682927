"""Whole studies whose truth is known, and how often looks at nothing decide it."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.known_truth import EQUAL, FAR, SHIFT, WAYS, compute_accuracy, list_claims, run_study, summarise
from benchmarks.sequential_error import draw_p_values, measure_error
from tune_app.analysis.sequential import PLANNED_LOOKS


def test_the_true_accuracy_lies_below_that_of_a_network_that_leans_to_nothing() -> None:
    assert stats.norm.cdf(SHIFT) > compute_accuracy(EQUAL) > compute_accuracy(FAR) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_study_of_known_truth_runs_as_its_user_would_run_it(way: str) -> None:
    verdicts = run_study(0, way)
    assert len(verdicts) == len(list_claims())
    assert set(verdicts) <= {"supported", "refuted", "negligible", "undecided"}
    assert [v for v, claim in zip(verdicts, list_claims(), strict=True) if claim.sentence == "The other is worse."] == [
        "supported"
    ]


def test_any_verdict_at_the_edge_is_wrong_and_an_open_claim_is_not() -> None:
    right = [claim.right for claim in list_claims()]
    told = [verdict or "undecided" for verdict in right]
    wrong = [verdict or "refuted" for verdict in right]
    assert "1 of 2 (50.0%" in summarise([told, wrong], "looks")
    assert "0 of 2 (0.0%" in summarise([told, ["undecided"] * len(right)], "looks")


def test_one_look_errs_as_often_as_its_level_says() -> None:
    p_values = draw_p_values(np.random.default_rng(0), 20_000)
    assert p_values.shape == (len(PLANNED_LOOKS), 20_000)
    assert (p_values < 0.05).mean(axis=1) == pytest.approx([0.05] * len(PLANNED_LOOKS), abs=0.006)
    late, power, early = (measure_error(p_values, kind, 0.05) for kind in ("obrien-fleming", "power", "pocock"))
    assert 0.045 < late < power < early < 0.062
