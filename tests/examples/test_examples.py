"""The examples run as they stand, and the committed notebook shows what they give and nothing of a machine."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "digits.ipynb"


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.slow
def test_the_script_plans_runs_and_judges_and_runs_nothing_the_second_time(tmp_path: Path) -> None:
    def run() -> str:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error", str(EXAMPLES / "digits.py")]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    first, second = run(), run()
    assert first.startswith("8 trials, 32 fits, about")
    assert len(re.findall(r", fold \d: 0\.\d{4}$", first, re.MULTILINE)) == 32, "the callback sees every fit"
    assert "fold" not in second
    for printed in (first, second):
        assert re.search(r"plain, learning rate 0\.003 minus plain, learning rate 0\.001: \+0\.\d{4}, 95%", printed)
        assert "A learning rate of 0.003 raises the test accuracy. Supported." in printed
    assert len(pd.read_csv(tmp_path / "results" / "digits" / "folds.csv")) == 32
    assert (tmp_path / "results" / "digits" / "index.html").is_file()


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    committed = nbformat.read(NOTEBOOK, as_version=4)
    again = nbformat.read(NOTEBOOK, as_version=4)
    for cell in again.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(again, timeout=300, kernel_name="python3", resources=place, coalesce_streams=True).execute()
    kinds = [[sorted(output.get("data", [output.output_type])) for output in outputs_of(n)] for n in (committed, again)]
    assert kinds[0] == kinds[1], "the committed outputs are of the kinds that the cells give today"
    assert not [output for output in outputs_of(again) if output.get("name") == "stderr"]
    assert (tmp_path / "results" / "digits" / "index.html").is_file()


def test_the_committed_notebook_is_executed_small_and_names_no_machine() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert NOTEBOOK.stat().st_size < 1_000_000
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "image/svg+xml" in text
    assert not re.search(r"(?<![\w.<])/(root|home|tmp|usr|work|opt)/", text), "a path of the machine that ran it"
    assert not re.search(r"\b\d\d:\d\d:\d\d\b|\b20\d\d-\d\d-\d\d\b", text), "a time of day or a date"
