"""Tables and intervals, from records alone."""

import io
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from tests.builders import build_study, fold_record, results_of, write_sources
from tune_app.analysis.conditions import build_conditions, build_trials
from tune_app.analysis.frames import build_folds, is_single_class
from tune_app.analysis.intervals import corrected_interval
from tune_app.errors import ResultsError
from tune_app.export.folder import choose_folder, write_results
from tune_app.export.tables.conditions import build_condition_table
from tune_app.export.tables.document import build_document
from tune_app.export.tables.summary import build_terminal_tables
from tune_app.records import RecordSet, pack_labels
from tune_app.records.results import Reported, Results, read_reference, read_results

ROOT = Path(__file__).parents[2]


def test_the_corrected_interval_equals_the_formula_by_hand() -> None:
    scores = [0.98, 0.985, 0.981, 0.984]
    mean, s = 0.9825, math.sqrt(((0.0025**2) * 2 + 0.0015**2 * 2) / 3)
    half = stats.t.ppf(0.975, 3) * s * math.sqrt(1 / 4 + 1 / 3)
    assert corrected_interval(scores, 4) == pytest.approx((mean - half, mean + half), abs=1e-12)


@pytest.mark.parametrize(("folds", "width"), [(4, 2.43), (10, 1.04)])
def test_the_intervals_half_width_is_the_published_multiple_of_the_spread(folds: int, width: float) -> None:
    scores = np.random.default_rng(0).normal(0.9, 0.01, folds).tolist()
    low, high = corrected_interval(scores, folds)
    assert (high - low) / 2 / np.std(scores, ddof=1) == pytest.approx(width, abs=0.005)


def test_one_score_has_no_interval() -> None:
    assert all(map(math.isnan, corrected_interval([0.9], 4)))


def test_a_failed_fold_is_a_row_and_is_counted_and_the_others_have_no_mean() -> None:
    results = results_of(build_study(), [0.9, None, 0.8])
    folds, trials = build_folds(results), build_trials(results)
    assert folds["status"].tolist() == ["completed", "failed", "completed"] * 2
    assert trials["fits_completed"].tolist() == [2, 2]
    assert trials["fits_planned"].tolist() == [3, 3]
    assert trials["test_accuracy_mean"].isna().all(), "a mean over some of the folds is another number"
    assert trials["flags"].tolist() == ["1 failed"] * 2
    text = build_document(results, [build_condition_table(results)])
    assert "2/3" in text
    assert "0.85" not in text
    assert build_conditions(results)[0]["test_accuracy_ci95_low"].isna().all()


def test_a_missing_fold_is_told_in_the_table() -> None:
    results = results_of(build_study(), [0.9, 0.9])
    assert build_conditions(results)[0]["flags"].tolist() == ["1 missing"] * 2


def test_a_network_that_names_one_class_is_flagged() -> None:
    results = results_of(build_study(), [0.9, 0.9, 0.1])
    trial = build_study().grid_trials()[0].spec.id
    stuck = replace(results.records.folds[trial, 2], predictions=pack_labels(np.ones(60, dtype=np.uint8)))
    results.records.add(stuck)
    trials = build_trials(results)
    assert trials["flags"].tolist() == ["1 stuck on one class", ""]
    assert trials["test_accuracy_mean"].isna().tolist() == [True, False]


@pytest.mark.parametrize(("others", "stuck"), [(0, True), (1, True), (2, False)])
def test_a_few_other_labels_are_no_learning(others: int, stuck: bool) -> None:
    results = results_of(build_study(), [0.9, 0.9, 0.1])
    trial = build_study().grid_trials()[0].spec.id
    labels = np.ones(100, dtype=np.uint8)
    labels[:others] = 7
    record = replace(results.records.folds[trial, 2], predictions=pack_labels(labels))
    assert is_single_class(record) == stuck


def test_a_reported_figure_stands_beside_its_condition_and_a_narrow_network_has_none() -> None:
    grid = [{"model": "cnn", "width": [1, 0.5], "folds": 3}]
    results = results_of(build_study(grid=grid, data={"name": "digits"}), [0.9, 0.92, 0.94])
    reported = Reported("CNN(n_split=3)", 0.9, "")
    results = replace(results, reference={("cnn", "none", 3): reported})
    (table,) = build_conditions(results)
    for other in (
        replace(results, reference={("cnn", "none", 3): replace(reported, dataset="mnist")}),
        replace(results_of(build_study(grid=grid), [0.9, 0.92, 0.94]), reference=results.reference),
    ):
        assert build_conditions(other)[0]["reported_test_accuracy"].isna().all(), "another data set, and fewer images"
    assert table["row"].tolist() == ["width 1", "width 0.5"]
    assert table["difference"].iloc[0] == pytest.approx(0.02)
    assert math.isnan(table["difference"].iloc[1])


def test_the_reports_tables_have_twelve_rows_with_the_notes() -> None:
    reference = read_reference(ROOT / "tune_app" / "studies" / "report.csv")
    assert len(reference) == 12
    assert reference["cnn", "dropout", 10].row == "CNN+DP(n_split=10)"
    assert "second CNN+DP+BN" in reference["cnn", "dropout", 10].note


@pytest.mark.slow
def test_the_report_command_rebuilds_the_same_tables_without_ray_or_torch(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    write_results(folder, replace(results_of(build_study(), [0.9, 0.91, 0.92]), environment={"seed": 0}))
    before = _read_files(folder)
    for path in folder.glob("*.csv"):
        path.unlink()
    code = (
        "import sys, importlib.abc\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] in ('ray', 'torch', 'torchvision', 'tensorboardX'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"from tune_app.report import main; sys.exit(main([{str(folder)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no regularizer" in done.stdout
    assert _read_files(folder) == before


def _read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"study.yaml is missing; give a folder"):
        read_results(tmp_path)


def test_a_partial_run_never_overwrites_a_whole_one(tmp_path: Path) -> None:
    study = build_study()
    whole = results_of(study, [0.9, 0.91, 0.92])
    write_sources(tmp_path / "small", whole)
    partial = Results(study, RecordSet([fold_record(study.grid_trials()[0].spec.id, 0, 0.9)]), {})
    assert choose_folder(tmp_path / "small", partial).name == "small.partial"
    assert choose_folder(tmp_path / "small", whole).name == "small"
    assert choose_folder(tmp_path / "new", partial).name == "new"


def test_an_edited_study_never_overwrites_the_only_copy_of_the_old_records(tmp_path: Path) -> None:
    old = results_of(build_study(), [0.9, 0.91, 0.92])
    write_sources(tmp_path / "small", old)
    edited = results_of(build_study(seed=1), [0.9])
    assert choose_folder(tmp_path / "small", edited).name == "small.partial"
    both = RecordSet([*old.records.folds.values(), *edited.records.folds.values()])
    assert choose_folder(tmp_path / "small", Results(edited.study, both, {})).name == "small", "runs/ still has them"


@pytest.mark.parametrize("line", ["garbage\n", '{"schema":1,"kind":"fold"}\n'])
def test_records_that_cannot_be_read_are_never_overwritten(tmp_path: Path, line: str) -> None:
    results = results_of(build_study(), [0.9, 0.91, 0.92])
    write_sources(tmp_path / "small", results)
    path = tmp_path / "small" / "records.jsonl"
    path.write_text(line + path.read_text())
    assert choose_folder(tmp_path / "small", results).name == "small.partial"


def test_a_narrow_terminal_wraps_the_label_and_never_cuts_a_number() -> None:
    grid = [{"model": "cnn", "width": 0.25, "folds": 3, "learning_rate": [0.001, 0.01], "batch_size": [10, 20]}]
    console = Console(file=io.StringIO(), width=80)
    for table in build_terminal_tables(results_of(build_study(grid=grid, replicates=2), [0.9, 0.91, 0.92])):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("0.910") == 4
    assert "…" not in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A,cnn,none,4,98.3,,", "line 2: test_accuracy 98.3 is no share of images from 0 to 1"),
        ("A,cnn,none,4,nan,,", "line 2: test_accuracy nan is no share"),
        ("A,cnn,none,4,0.9,,\nB,cnn,none,4,0.8,,", "line 3: a second figure for cnn, none, 4"),
        ("A,cnn,no,4,0.9,,", "line 2: no regularizer 'no'; none, dropout"),
        ("A,cnn,none,four,0.9,,", "invalid literal"),
        ('A,"cnn,none,4,0.9,,', "unexpected end of data"),
    ],
)
def test_a_reference_table_with_a_mistake_is_refused_whole(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "reference.csv"
    path.write_text(f"row,model,regularizer,folds,test_accuracy,note,dataset\n{line}\n")
    with pytest.raises(ResultsError, match=message):
        read_reference(path)
