"""The command that writes the tables of a results folder again."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.builders import build_effect_results, build_effect_study, build_results, score_with_effect, write_sources
from tests.folders import Folder
from tune_app.errors import ResultsError
from tune_app.export.folder import write_results
from tune_app.report import main as report
from tune_app.session.results import read_results


@pytest.mark.parametrize(
    ("name", "content"),
    [("test.npz", b"PK\x03\x04garbage"), ("plan.csv", b"trial,fits\na,3\n"), ("plan.csv", b""), ("test.npz", b"")],
)
def test_a_damaged_file_of_a_results_folder_is_named(finished: Folder, capsys: Any, name: str, content: bytes) -> None:
    (finished.results / name).write_bytes(content)
    assert report([str(finished.results)]) == 2
    assert f"{name} cannot be read" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_without_an_option_that_there_is_not(finished: Folder) -> None:
    (finished.path / "file").touch()
    with pytest.raises(ResultsError, match="or copy the results to a folder that can be written") as caught:
        read_results(finished.results).write(finished.path / "file" / "copy", sources=False)
    assert "--" not in str(caught.value)


@pytest.mark.slow
def test_a_two_way_table_is_printed_and_written_and_leaves_the_other_tables_alone(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "small"
    write_results(folder, build_effect_results())
    before = (folder / "table.md").read_bytes()
    assert report([str(folder), "--table", "rows=regularizer", "columns=folds"]) == 0
    assert "Test accuracy (share) by regularizer and folds" in capsys.readouterr().out
    assert "dropout" in (folder / "table-regularizer-by-folds.md").read_text()
    assert (folder / "table.md").read_bytes() == before
    report([str(folder), "--verify"])
    assert "cells follow from the records" in capsys.readouterr().out, "the tables are those of the study, as before"


def test_a_table_of_a_factor_that_does_not_vary_is_one_message(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "small"
    write_sources(folder, build_effect_results())
    assert report([str(folder), "--table", "rows=width", "columns=folds"]) == 2
    assert "width has one level in this study; choose from regularizer, folds" in capsys.readouterr().err
    assert not (folder / "table.md").exists()


def test_several_folders_are_compared_on_a_page_of_their_own(tmp_path: Path, capsys: Any) -> None:
    for number, name in enumerate(("one", "two", "three")):
        study = build_effect_study(replicates=3 - number % 2)
        results = build_results(study, lambda spec, fold, n=number: score_with_effect(spec, fold) + 0.01 * n)  # type: ignore[misc]
        write_sources(tmp_path / name, results)
    folders = [str(tmp_path / name) for name in ("one", "two", "three")]
    assert report([*folders, "--to", str(tmp_path / "compared")]) == 0
    printed = capsys.readouterr().out.replace("\u00a0", " ")
    assert "C − A" in printed
    assert "table.md" not in printed, "a comparison writes none"
    scores = pd.read_csv(tmp_path / "compared" / "comparison.csv")
    assert set(scores["study"]) == {"B", "C"}
    accuracy = scores[scores["metric"] == "test_accuracy"]
    assert accuracy.groupby("study")["effect"].mean().to_dict() == pytest.approx({"B": 0.01, "C": 0.02})
    page = (tmp_path / "compared" / "index.html").read_text()
    titles = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert titles == [
        "Test accuracy (share)",
        "Test loss (nats/image)",
        "Fit seconds (s)",
        "What differs between the runs",
    ]
    assert page.count("<table") == len(titles)
    assert "no difference between folders is tested" in page, "the differences of all fits are equal"
    assert page.count("data:image/svg+xml") == 2, "the figure for light and for dark screens"
    assert "http" not in page.replace("http-equiv", "")
    assert {path.name for path in (tmp_path / "compared").iterdir()} == {"comparison.csv", "changes.csv", "index.html"}


def test_what_only_left_out_is_one_sentence_and_no_row(half_finished: Folder, capsys: Any) -> None:
    assert report([str(half_finished.results)]) == 0
    printed = capsys.readouterr().out
    document = (half_finished.results / "table.md").read_text()
    for text in (printed, document):
        assert "1 of the 2 conditions has not been run, and no row here." in text
        assert "0/3" not in text
        assert "missing" not in text


def test_a_comparison_never_overwrites_results(tmp_path: Path, capsys: Any) -> None:
    write_sources(tmp_path / "one", build_effect_results())
    before = {path: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert report([str(tmp_path / "one"), str(tmp_path / "one"), "--to", str(tmp_path / "one")]) == 2
    assert "holds a study's results, which a comparison would overwrite" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "one").iterdir()} == before
