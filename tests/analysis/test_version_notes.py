"""Contrasts and claims of fits that ran with different versions, or on different processors, say so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.builders import CLAIM, build_effect_results, pick_row
from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.comparable import find_version_note
from tune_app.analysis.comparison import build_comparison
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.frames import build_folds
from tune_app.analysis.sides import Side
from tune_app.export.tables.claims import build_claim_table
from tune_app.export.tables.comparison import build_comparison_tables
from tune_app.export.tables.contrasts import build_contrast_tables
from tune_app.records import RecordSet
from tune_app.records.environments import build_key
from tune_app.records.results import Results, read_results

NEW: dict[str, Any] = {
    "commit": "abc",
    "versions": {"python": "3.11.7", "torch": "2.15.0", "numpy": "2.4.6", "pandas": "3.1.1"},
    "platform": "Linux",
    "processor": "AMD EPYC",
}
OLD = {**NEW, "versions": {**NEW["versions"], "torch": "2.14.1"}}
ELSEWHERE = {**NEW, "processor": "Intel Xeon"}
OTHERWISE = {**NEW, "commit": "def", "versions": {**NEW["versions"], "pandas": "3.0.0"}}
ALIKE = "The fits did not all run alike, and part of the effect may be that"


def results_with(regularizers: dict[str, dict[str, Any]], fold: int | None = None, **changes: Any) -> Results:
    """Conditions that ran in the environments given (one fold of theirs alone, if given), all others in NEW."""
    results = build_effect_results(**changes)
    levels = {trial.spec.id: trial.spec.regularizer for trial in results.study.grid_trials()}
    where = {
        key: regularizers.get(levels[record.trial], NEW) if fold in (None, record.fold) else NEW
        for key, record in results.records.folds.items()
    }
    folds = [replace(r, environment=build_key(where[key])) for key, r in results.records.folds.items()]
    environments = {build_key(each): each for each in where.values()}
    records = RecordSet([*results.records.epochs.values(), *folds])
    return replace(results, records=records, environment={**NEW, "environments": environments})


def note_of(results: Results, regularizer: str = "dropout", metric: str = "test_accuracy") -> str:
    return str(pick_row(build_contrasts(results), metric, regularizer, 4)["note"])


def test_fits_that_ran_alike_need_no_note() -> None:
    assert set(build_contrasts(results_with({}))["note"]) == {""}
    assert set(build_contrasts(build_effect_results())["note"]) == {""}, "nothing is recorded of any"


def test_a_contrast_names_the_versions_of_its_two_sides() -> None:
    results = results_with({"dropout": OLD})
    assert note_of(results) == f"{ALIKE}: torch 2.14.1 against 2.15.0."
    assert note_of(results, "batchnorm") == ""


def test_a_contrast_names_the_versions_within_a_side() -> None:
    assert note_of(results_with({"dropout": OLD}, fold=1)) == f"{ALIKE}: torch 2.14.1 and 2.15.0 against 2.15.0."
    both = results_with({"dropout": OLD, "none": OLD}, fold=1)
    assert note_of(both) == f"{ALIKE}: torch 2.14.1 and 2.15.0 on either side."


def test_a_contrast_names_processors() -> None:
    assert note_of(results_with({"none": ELSEWHERE})) == f"{ALIKE}: processor AMD EPYC against Intel Xeon."


@pytest.mark.parametrize("elsewhere", [["none"], ["none", "dropout"]])
def test_times_of_different_processors_are_refused(elsewhere: list[str]) -> None:
    """Of machines that all have one name, as those of a cloud do; on both sides as well, a pair of fits apart."""
    fold = 1 if len(elsewhere) > 1 else None
    frame = build_contrasts(results_with(dict.fromkeys(elsewhere, ELSEWHERE), fold, replicates=3))
    row = pick_row(frame, "fit_seconds", "dropout", 4)
    assert (row["status"], row["reason"]) == (
        "refused",
        "the times were taken on different processors: AMD EPYC, Intel Xeon.",
    )
    assert pick_row(frame, "test_accuracy", "dropout", 4)["status"] == "tested"


def test_of_a_fit_on_a_gpu_the_gpu_counts() -> None:
    results = results_with({"none": ELSEWHERE})
    on_gpu = [replace(r, device="cuda:0 NVIDIA H100") for r in results.records.folds.values()]
    records = RecordSet([*results.records.epochs.values(), *on_gpu])
    assert note_of(replace(results, records=records)) == ""
    records.add(replace(next(iter(results.records.folds.values())), device="cpu"))
    assert "NVIDIA H100" in note_of(replace(results, records=records))


def test_versions_and_commits_that_change_no_score_need_no_note() -> None:
    assert note_of(results_with({"dropout": OTHERWISE})) == ""


def test_versions_that_are_not_recorded_are_not_guessed() -> None:
    content = {**NEW, "earlier": [OLD]}
    results = replace(build_effect_results(), environment=content)
    assert note_of(results) == f"{ALIKE}: torch 2.14.1 or 2.15.0 (which of them is not recorded)."
    folds = build_folds(results)
    assert set(folds["environment"]) == {"unknown"}
    assert folds["torch_version"].isna().all()


def test_fits_without_any_environment_beside_others_are_named() -> None:
    results = results_with({"dropout": OLD})
    environments = {build_key(NEW): NEW}
    lost = replace(results, environment={**NEW, "environments": environments})
    assert note_of(lost) == f"{ALIKE}: of some it is not recorded where they ran."


def test_a_refused_contrast_has_no_effect_to_explain() -> None:
    results = results_with({"dropout": OLD})
    lacking = [r for r in results.records.folds.values() if r.fold]
    (row, *_) = build_contrasts(replace(results, records=RecordSet(lacking))).to_dict("records")
    assert (row["status"], row["note"]) == ("refused", "")


def test_folds_csv_says_where_each_fit_ran() -> None:
    folds = build_folds(results_with({"dropout": OLD}))
    rows = folds[["regularizer", "environment", "torch_version"]].itertuples(index=False, name=None)
    old, new = (build_key(OLD), "2.14.1"), (build_key(NEW), "2.15.0")
    assert set(rows) == {("dropout", *old), ("batchnorm", *new), ("none", *new)}


def test_a_claim_says_it_beside_what_else_must_be_known() -> None:
    claim = CLAIM | {"expect": "higher"}
    claims = [claim, claim | {"metric": "train_accuracy", "sentence": "Dropout trains better."}]
    results = results_with({"dropout": OLD}, claims=claims)
    verdicts = build_verdicts(results)
    plain, training = verdicts["note"]
    assert plain == f"{ALIKE}: torch 2.14.1 against 2.15.0."
    assert training.endswith(plain)
    assert training.startswith("Training scores are taken with dropout at work")
    notes = " ".join(build_claim_table(results.study, verdicts).notes)
    assert plain in notes


def test_tables_have_it_as_a_footnote_of_the_rows_concerned() -> None:
    results = results_with({"dropout": OLD})
    contrasts = build_contrasts(results)
    (table, *_) = build_contrast_tables(results, contrasts, "test_accuracy")
    (reason,) = [each for each in table.reasons if ALIKE in each.text]
    assert {pick_row(contrasts, "test_accuracy", "dropout", folds)["row"] for folds in (4, 10)} == set(reason.rows)


def test_two_folders_are_compared_with_the_versions_of_both() -> None:
    frame = build_comparison(results_with({}), replace(build_effect_results(), environment=OLD))
    assert set(frame[frame["metric"] == "test_accuracy"]["note"]) == {f"{ALIKE}: torch 2.14.1 against 2.15.0."}
    notes = build_comparison_tables(build_effect_results().study, frame, pd.DataFrame())[0].notes
    assert any(ALIKE in note for note in notes)


@pytest.mark.parametrize(("study", "noted"), [("quick", False), ("audit", True)])
def test_committed_results_say_it_where_their_folder_names_two_versions(study: str, noted: bool) -> None:
    results = read_results(Path(__file__).parents[2] / "results" / study)
    first, second = results.study.conditions()[:2]
    note = find_version_note([(Side(results, first), Side(results, second))])
    assert ("torch 2.14.1 or 2.15.0 (which of them is not recorded)" in note) is noted
