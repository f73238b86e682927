"""A study whose command is interrupted in mid-fit: the same command goes on after the last epoch."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tune_app
from tests.folders import Folder


class Stop(tune_app.Callback):
    """As Ctrl-C in the fourth epoch of the second fit."""

    def record(self, record: Any) -> None:
        if isinstance(record, tune_app.EpochRecord) and (record.fold, record.epoch) == (1, 4):
            raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupted_study_goes_on_in_mid_fit_to_the_same_tables(tmp_path: Path, capsys: Any) -> None:
    changes = {"recipe": {"epochs": 5, "batch_size": 20}}
    interrupted, undisturbed = (Folder(tmp_path / name, **changes) for name in ("interrupted", "undisturbed"))
    assert undisturbed.run() == 0
    places = {"runs": interrupted.runs.parent, "results": interrupted.results.parent}
    options: dict[str, Any] = {"executor": "inline", "checkpoint_after": 0, **places}
    with pytest.raises(KeyboardInterrupt):
        tune_app.run_study(interrupted.study, progress=False, callbacks=[Stop()], **options)
    (checkpoint,) = (interrupted.runs / "checkpoints").iterdir()
    assert checkpoint.name.endswith(".fold-2")
    assert interrupted.run("--checkpoint-after", "0") == 0
    assert interrupted.score_files() == undisturbed.score_files()
    reasons = pd.read_csv(interrupted.results / "folds.csv")["engine_reason"].dropna().tolist()
    assert len(reasons) == 1
    assert reasons[0].startswith("interrupted after epoch")
    assert not (interrupted.runs / "checkpoints").exists()


@pytest.mark.parametrize("text", ["-1", "soon", "nan"])
def test_times_that_are_none_are_refused(folder: Folder, capsys: Any, text: str) -> None:
    assert folder.run(f"--checkpoint-after={text}") == 2
    assert "--checkpoint-after" in capsys.readouterr().err
