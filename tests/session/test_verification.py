"""`tune-report --verify`: what a stranger finds right or wrong in a results folder with one command."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tune_app
from tests.builders import write_sources
from tests.folders import Folder
from tests.own_study import NETS, OwnStudy
from tune_app.records import FoldRecord, pack_labels, read_records, record_to_line
from tune_app.records.results import read_results
from tune_app.report import main as report

QUICK = Path(__file__).parents[2] / "results" / "quick"


def sum_up(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_right_in_one_sentence_for_each_check(finished: Folder, capsys: Any) -> None:
    before = sum_up(finished.results)
    assert report([str(finished.results), "--verify", "--rerun", "2"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("Training")]
    assert [line.partition(":")[0] for line in lines[:-1]] == ["Records", "Ids", "Predictions", "Tables", "Rerun"]
    assert lines[0] == "Records: 12 lines, and the checksum of each is that of its text."
    assert lines[1] == "Ids: each record belongs to one of the 2 trials of the study; 6 of 6 fits are completed."
    assert lines[2].startswith("Predictions: the accuracy of 6 fits follows")
    assert re.fullmatch(r"Tables: \d+ files with [\d,]+ cells follow from the records\.", lines[3])
    assert lines[4].endswith("2 equal bit for bit.")
    assert lines[-1] == "Nothing is wrong."
    assert sum_up(finished.results) == before, "nothing is written"


def test_results_of_an_older_version_have_no_checksums_and_are_right(tmp_path: Path, capsys: Any) -> None:
    """Version 3.0 of the records is this one's without checksums."""
    folder = tmp_path / "quick"
    shutil.copytree(QUICK, folder)
    records = folder / "records.jsonl"
    lines = [json.loads(line) | {"schema": "3.0"} for line in records.read_text().splitlines()]
    assert all(line.pop("checksum") for line in lines)
    records.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert report([str(folder), "--verify"]) == 0
    assert "Records: 216 lines with no checksums (written by an older version)." in capsys.readouterr().out


def replace_once(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text, count=1))


def drop_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def edit_fold(folder: Path, edit: Callable[[FoldRecord], FoldRecord]) -> None:
    """Forge the first fit's record: its line has the checksum of what now stands there."""
    path = folder / "records.jsonl"
    record = next(iter(read_records(path).records.folds.values()))
    path.write_text(path.read_text().replace(record_to_line(record), record_to_line(edit(record))))


def predict_everything(folder: Path) -> None:
    """Predictions without a mistake, beside the accuracy of a network that made some."""
    test = read_results(folder).test
    assert test is not None
    packed = pack_labels(test.labels)
    edit_fold(folder, lambda record: replace(record, predictions=packed))


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a digit of a table": (
        lambda folder: replace_once(folder / "folds.csv", r",(0\.\d+),0\.", r",0.123456,0."),
        r"folds\.csv, line 2, column \w+: 0\.123456, by the records 0\.\d+",
    ),
    "a digit of a summary": (
        lambda folder: replace_once(folder / "conditions.csv", r"0\.\d{3}", "0.998"),
        r"conditions\.csv, line \d+, column \w+: 0\.998\d*, by the records 0\.\d+",
    ),
    "a digit of a record": (
        lambda folder: replace_once(folder / "records.jsonl", r'"replicate":0', '"replicate":1'),
        r"Records: WRONG\. records\.jsonl, line 1: its checksum is that of another text",
    ),
    "a word of a document": (
        lambda folder: replace_once(folder / "table.md", "accuracy", "beauty"),
        r"table\.md, line \d+: '.*beauty.*', by the records",
    ),
    "a word of results.json": (
        lambda folder: replace_once(folder / "results.json", "small", "large"),
        r"results\.json has other numbers or words",
    ),
    "a row that is gone": (
        lambda folder: drop_last_line(folder / "folds.csv"),
        r"folds\.csv has 5 rows, and 6 follow from the records",
    ),
    "a table that is gone": (lambda folder: (folder / "trials.csv").unlink(), r"trials\.csv is missing"),
    "a record that is cut off": (
        lambda folder: (folder / "records.jsonl").write_bytes((folder / "records.jsonl").read_bytes()[:-9]),
        r"records\.jsonl, the last line: it was cut off",
    ),
    "a fit of another study": (
        lambda folder: edit_fold(folder, lambda record: replace(record, trial="cnn-none-k3-r0-00000000")),
        r"Ids: WRONG\. 1 trial of the records not in the study: cnn-none-k3-r0-00000000",
    ),
    "a fold too many": (
        lambda folder: edit_fold(folder, lambda record: replace(record, fold=7, status="failed")),
        r"fold 8: the trial has 3 folds",
    ),
    "another replicate": (
        lambda folder: edit_fold(folder, lambda record: replace(record, replicate=4)),
        r"the record is of replicate 4, the trial of 0",
    ),
    "an epoch too many": (
        lambda folder: edit_fold(folder, lambda record: replace(record, epochs=2, best_epoch=2)),
        r"Ids: WRONG\. .*: 2 epochs of 1 that the study asks for|Tables: WRONG",
    ),
    "predictions that another network made": (
        predict_everything,
        r"Predictions: WRONG\. .* fold 1: test_accuracy is 0\.\d+, and its predictions give 1\.0",
    ),
    "words that a terminal would obey": (
        lambda folder: replace_once(folder / "trials.csv", "^trial", "\x1b]0;gotcha\x07"),
        r"trials\.csv has a column �\]0;gotcha�, which does not follow",
    ),
    "brackets without end": (
        lambda folder: (folder / "results.json").write_text("[" * 100_000 + "]" * 100_000),
        r"Tables: WRONG\. results\.json cannot be read",
    ),
    "a plan that cannot be read": (
        lambda folder: (folder / "plan.csv").write_text("trial,fits\na,3\n"),
        r"Files: WRONG\. .*plan\.csv cannot be read",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(finished: Folder, capsys: Any, name: str) -> None:
    change, told = WRONG[name]
    change(finished.results)
    assert report([str(finished.results), "--verify"]) == 1
    out, err = capsys.readouterr()
    assert re.search(told, out), out
    assert re.search(r"^\d+ things? (is|are) wrong\.$", out, re.MULTILINE)
    assert err == ""


@pytest.mark.slow
def test_a_forged_score_with_tables_to_match_is_found_by_training_again(finished: Folder, capsys: Any) -> None:
    edit_fold(finished.results, lambda record: replace(record, scores={**record.scores, "test_loss": 0.5}))
    assert report([str(finished.results)]) == 0, "the tables follow"
    assert report([str(finished.results), "--verify"]) == 0, "nothing contradicts it"
    capsys.readouterr()
    assert report([str(finished.results), "--verify", "--rerun", "6"]) == 1
    told = (
        r"Rerun: WRONG\. .* fold 1: test_loss is 0\.5 by the record and .* now, where it has to be the same bit for bit"
    )
    assert re.search(told, capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "code"), [(1e-4, 0), (0.2, 1)])
def test_with_other_versions_scores_agree_within_a_tolerance(
    finished: Folder, capsys: Any, shift: float, code: int
) -> None:
    def move(record: FoldRecord) -> FoldRecord:
        return replace(record, scores={**record.scores, "test_loss": record.scores["test_loss"] + shift})

    edit_fold(finished.results, move)
    path = finished.results / "environment.json"
    path.write_text(re.sub(r'"torch": "[^"]+"', '"torch": "1.0"', path.read_text()))
    assert report([str(finished.results)]) == 0
    assert report([str(finished.results), "--verify", "--rerun", "6"]) == code
    told = r"1 within the tolerance for torch 1\.0 there and" if code == 0 else r"beyond the tolerance for torch 1\.0"
    assert re.search(told, capsys.readouterr().out)


def test_the_draw_is_that_of_the_seed(finished: Folder, capsys: Any) -> None:
    from tune_app.session.verification.rerun import draw_fits

    results = read_results(finished.results)
    draws = [draw_fits(results, 3, seed) for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) > 1
    assert sorted(draw_fits(results, 100, 5)) == sorted(results.records.completed())


@pytest.mark.slow
def test_no_code_of_a_study_runs_until_somebody_says_where_it_lies(tmp_path: Path, capsys: Any) -> None:
    study = OwnStudy(tmp_path)
    assert study.run() == 0
    results = tmp_path / "results" / "own"
    (results / "nets.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{NETS}")
    capsys.readouterr()
    assert report([str(results), "--verify"]) == 0
    assert report([str(results), "--verify", "--rerun", "1"]) == 1
    assert "whose code would run; name the study file beside which they lie with --study" in capsys.readouterr().out
    assert not (tmp_path / "ran").exists()
    assert report([str(results), "--verify", "--rerun", "1", "--study", str(tmp_path / "study.yaml")]) == 0
    assert "1 equal bit for bit" in capsys.readouterr().out


def test_a_folder_of_sources_alone_has_no_tables_to_compare(finished: Folder, tmp_path: Path, capsys: Any) -> None:
    write_sources(tmp_path / "sources", read_results(finished.results))
    assert report([str(tmp_path / "sources"), "--verify"]) == 0
    assert "Tables: there are none, only what they follow from" in capsys.readouterr().out


def test_a_folder_that_is_none_has_code_2(tmp_path: Path, capsys: Any) -> None:
    assert report([str(tmp_path), "--verify"]) == 2
    assert "is not a results folder: study.yaml is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more", [["--rerun", "2"], ["--verify", "--rerun", "-1"], ["--verify", "--open"], [str(QUICK), "--verify"]]
)
def test_options_that_do_not_go_together_are_refused(more: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as left:
        report([str(QUICK), *more])
    assert left.value.code == 2
    assert "--rerun" in capsys.readouterr().err


def test_a_call_gives_the_checks(finished: Folder) -> None:
    found = tune_app.verify_results(finished.results)
    assert found.is_right
    assert not found.problems
    (finished.results / "claims.csv").unlink()
    assert tune_app.verify_results(finished.results).problems == ("Tables: claims.csv is missing.",)
    assert json.loads((finished.results / "results.json").read_text())


def test_texts_that_a_spreadsheet_would_compute_are_those_of_the_records(tmp_path: Path, capsys: Any) -> None:
    """Tables have an apostrophe before them, which no record has."""
    own = OwnStudy(tmp_path, labels=[{"label": "=1+1", "model": "net"}])
    assert own.run() == 0
    capsys.readouterr()
    folder = tmp_path / "results" / "own"
    assert "'=1+1" in (folder / "conditions.csv").read_text()
    assert report([str(folder), "--verify"]) == 0, capsys.readouterr().out
