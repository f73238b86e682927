"""What claims need: the same before a run, in dry runs and in tables, from records, a pilot or an assumption."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from tests.builders import CLAIM, build_effect_results, build_effect_study
from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.outlook import Knowledge, build_outlook
from tune_app.analysis.power import find_power
from tune_app.analysis.t_tests import CorrectedTTest
from tune_app.records import RecordSet
from tune_app.records.results import Results

OPEN = CLAIM | {"expect": "higher", "by": 0.028}
NONE = RecordSet()


def look(results: Results, **known: object) -> pd.DataFrame:
    return build_outlook(results, Knowledge(**known))  # type: ignore[arg-type]


def claim_of(frame: pd.DataFrame) -> pd.Series:
    (row,) = [row for _, row in frame[frame["kind"] == "claim"].iterrows()]
    return row


def test_a_claim_with_records_needs_what_its_verdict_says() -> None:
    results = build_effect_results(replicates=1, claims=[OPEN])
    (verdict,) = build_verdicts(results).to_dict("records")
    row = claim_of(look(results))
    assert verdict["verdict"] == row["verdict"] == "undecided"
    assert row["power"] == verdict["power"]
    assert (row["needed_80"], row["needed_90"]) == (verdict["needed_replicates"], verdict["needed_replicates_90"])
    assert (row["effect_from"], row["spread_from"]) == ("this study", "this study")


def test_without_records_nothing_is_known_until_a_spread_is() -> None:
    empty = replace(build_effect_results(claims=[OPEN]), records=NONE)
    row = claim_of(look(empty))
    assert pd.isna(row["power"])
    assert "--pilot, or assume one with --assume-sd" in row["reason"]


def test_an_assumed_spread_gives_the_power_of_the_design() -> None:
    """Ten paired folds on one test set, one margin beyond the edge."""
    empty = replace(build_effect_results(replicates=2, claims=[OPEN]), records=NONE)
    row = claim_of(look(empty, assumed_sd=0.02))
    assert row["effect"] == pytest.approx(0.056)
    test = CorrectedTTest(0.056, 0.02, 20, 10, 0.0)
    expected = find_power(test, 0.056, (0.028, math.inf), spread_df=math.inf)
    assert row["power"] == pytest.approx(expected.power)
    assert (row["needed_80"], row["needed_90"]) == expected.replicates


def test_a_pilot_study_lends_effect_and_spread_to_the_claims_that_it_can_judge() -> None:
    pilot = build_effect_results(replicates=1)
    empty = replace(build_effect_results(replicates=3, claims=[OPEN]), records=NONE)
    row = claim_of(look(empty, pilot=pilot, pilot_name="first_try"))
    assert (row["effect_from"], row["spread_from"]) == ("first_try", "first_try")
    assert 0 < row["power"] < 1
    other = build_effect_results(grid=[{"model": "cnn", "regularizer": "none", "folds": 3}], baseline={})
    assert pd.isna(claim_of(look(empty, pilot=other, pilot_name="other"))["power"])


def test_contrasts_ask_for_the_least_difference_that_matters_and_cost_hours() -> None:
    results = build_effect_results(replicates=1, rope=0.002)
    seconds = {trial.spec.id: 360.0 for trial in results.study.grid_trials()}
    frame = look(results, seconds=seconds)
    contrasts = frame[frame["kind"] == "contrast"]
    assert len(contrasts) == 5
    assert set(contrasts["effect"]) == {0.002}
    paired = contrasts[contrasts["name"].str.contains("dropout, 10 folds")].iloc[0]
    assert paired["hours_80"] == pytest.approx(2 * 0.1 * (paired["needed_80"] - 1)), "two conditions, 0.1 h each"


def test_a_design_below_the_fewest_replicates_has_no_power_however_clear() -> None:
    held_out = CLAIM | {"metric": "validation_accuracy", "levels": {"regularizer": "dropout", "folds": 4}}
    row = claim_of(look(build_effect_results(replicates=1, claims=[held_out | {"expect": "higher"}])))
    assert (row["power"], row["fewest"]) == (0, 2)
    assert row["needed_80"] >= 2


def test_a_claim_without_a_margin_asks_for_one() -> None:
    study = build_effect_study(claims=[CLAIM | {"metric": "test_loss", "expect": "lower"}])
    row = claim_of(look(Results(study, NONE, {}), assumed_sd=0.01))
    assert "add by" in row["reason"]
