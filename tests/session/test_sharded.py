"""A study fold by fold: what its user sees is what it is trial by trial."""

import re
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.folders import Folder
from tune_app.errors import StudyError
from tune_app.session.options import RunOptions


def read_curves(folder: Folder) -> dict[str, list[float]]:
    """Test accuracies by fold as TensorBoard draws them, by trial."""
    return {
        path.name: [event.value for event in EventAccumulator(str(path)).Reload().Scalars("test_accuracy_by_fold")]
        for path in (folder.runs / "tensorboard").iterdir()
    }


@pytest.mark.slow
def test_fold_by_fold_gives_the_same_tables_and_event_files(finished: Folder, tmp_path: Path, capsys: Any) -> None:
    split = Folder(tmp_path / "split")
    assert split.run("--shard", "fold") == 0
    out = capsys.readouterr().out
    assert "6 fits in 2 trials to run" in out
    assert len(re.findall(r"started \S.*, fold [123] on 1 CPU", out)) == 6
    assert ", fold 3 on 1 CPU" in out
    assert split.score_files() == finished.score_files()
    assert read_curves(split) == read_curves(finished)


def test_a_study_begun_trial_by_trial_is_resumed_fold_by_fold(half_finished: Folder, finished: Folder) -> None:
    assert half_finished.run("--shard", "fold") == 0
    assert half_finished.score_files() == finished.score_files()
    assert read_curves(half_finished) == read_curves(finished)


def test_another_word_is_refused() -> None:
    with pytest.raises(StudyError, match="did you mean 'fold'"):
        RunOptions(shard="folds")  # type: ignore[arg-type]
