"""A finished study: nothing to run, so nothing heavy is imported and nothing is written."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import write_study_file
from tests.folders import Folder
from tune_app.grid import main

ROOT = Path(__file__).parents[2]
REFUSE = """
import sys, importlib.abc

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {refused!r}:
            raise ImportError(f"{{name}} is not to be imported")

sys.meta_path.insert(0, Refuse())
from tune_app.grid import main
sys.exit(main(sys.argv[1:]))
"""


def run_without(refused: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", REFUSE.format(refused=refused), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    places = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    return [str(write_study_file(tmp_path)), *places]


def test_a_finished_study_needs_neither_torch_nor_ray_and_leaves_every_file_as_it_is(
    arguments: list[str], tmp_path: Path
) -> None:
    assert main([*arguments, "--executor", "inline"]) == 0

    def read_files() -> dict[str, tuple[int, bytes]]:
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = read_files()
    done = run_without({"torch", "torchvision", "ray"}, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Tables and page (up to date)" in done.stdout
    assert read_files() == before


def test_tables_that_are_gone_are_written_again_without_torch_too(arguments: list[str], tmp_path: Path) -> None:
    assert main([*arguments, "--executor", "inline"]) == 0
    table = tmp_path / "results" / "small" / "table.md"
    text = table.read_text()
    table.unlink()
    done = run_without({"torch", "torchvision", "ray"}, *arguments)
    assert done.returncode == 0, done.stderr
    assert "up to date" not in done.stdout
    assert table.read_text() == text


def test_help_comes_without_any_of_them() -> None:
    done = run_without({"torch", "ray", "pandas", "scipy", "altair", "sklearn"}, "--help")
    assert done.returncode == 0, done.stderr
    assert "--dry-run" in done.stdout


def test_a_finished_study_prints_its_tables_and_runs_nothing(folder: Folder, capsys: Any) -> None:
    folder.run()
    records = (folder.runs / "records.jsonl").read_bytes()
    capsys.readouterr()
    assert folder.run() == 0
    assert "to run" not in capsys.readouterr().out
    assert (folder.runs / "records.jsonl").read_bytes() == records
