"""The examples of a user's own parts run from a copy of their folder, and their pages and READMEs agree."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NAMES = ("clinical", "ablation")
SETTINGS = {  # a schedule that warms up for two epochs needs a third
    "clinical": ["--set", "recipe.epochs=1", "--set", "replicates=1"],
    "ablation": ["--set", "recipe.epochs=3", "--set", "replicates=1"],
}


def run_copy(name: str, folder: Path, *options: str) -> Path:
    """Run the example's study from a copy that holds nothing but its source; the results folder."""
    copy = folder / name
    shutil.copytree(EXAMPLES / name, copy, ignore=shutil.ignore_patterns("*.html", "*.md", "runs", "results", "__*"))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tune_app.grid", "study.yaml", "--executor", "inline", *options]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return copy / "results" / name


def read_page(name: str) -> str:
    """The words of the committed page, without its scripts and drawings."""
    page = (EXAMPLES / name / "index.html").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style|svg)\b.*?</\1>", " ", page))
    return " ".join(unescape(words).split())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "conditions"), [("clinical", 6), ("ablation", 5)])
def test_an_example_runs_from_a_copy_of_its_folder_and_writes_its_page(
    name: str, conditions: int, tmp_path: Path
) -> None:
    results = run_copy(name, tmp_path, *SETTINGS[name])
    folds = pd.read_csv(results / "folds.csv")
    assert len(folds) == 5 * conditions
    assert set(folds["status"]) == {"completed"}
    study = yaml.safe_load((EXAMPLES / name / "study.yaml").read_text(encoding="utf-8"))
    for metric in (study["metrics"]["primary"], *study["metrics"]["also"]):
        assert folds[f"test_{metric}"].notna().all()
    assert study["title"] in unescape((results / "index.html").read_text(encoding="utf-8"))
    if name == "ablation":
        assert list(pd.read_csv(results / "designs.csv")["component"]) == list(study["grid"][0]["components"])


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_page_is_of_the_study_beside_it_and_names_no_machine(name: str) -> None:
    study = yaml.safe_load((EXAMPLES / name / "study.yaml").read_text(encoding="utf-8"))
    words = read_page(name)
    assert study["title"] in words
    for key in ("epochs", "batch_size", "learning_rate"):
        assert f"{key}: {study['recipe'][key]} " in words, "the page shows the study as it ran"
    for claim in study.get("claims", []):
        assert claim["sentence"] in words
    page = (EXAMPLES / name / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.<])/(root|home|tmp|work|opt)/", page), "a path of the machine that ran it"


@pytest.mark.parametrize(("name", "conditions"), [("clinical", 6), ("ablation", 5)])
def test_the_readme_gives_the_numbers_of_the_committed_page(name: str, conditions: int) -> None:
    words = read_page(name)
    readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (0\.\d+) \| (\[0\.\d+, 0\.\d+\]) \|", readme, re.MULTILINE)
    assert len(rows) == conditions
    assert "in every row: fits 15/15, replicates 3 " in words
    for row, mean, interval in rows:
        assert re.search(rf" {re.escape(row)} {re.escape(mean)} {re.escape(interval)} ", words), row
