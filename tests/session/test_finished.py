"""A finished study: nothing to run, so nothing heavy is imported and nothing is written."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.folders import Folder

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


def test_a_finished_study_prints_its_tables_and_runs_nothing(finished: Folder, capsys: Any) -> None:
    records = (finished.runs / "records.jsonl").read_bytes()
    assert finished.run() == 0
    out = capsys.readouterr().out
    assert "to run" not in out
    assert "dropout+batchnorm" in out
    assert (finished.runs / "records.jsonl").read_bytes() == records


def test_a_finished_study_needs_neither_torch_nor_ray_and_leaves_every_file_as_it_is(finished: Folder) -> None:
    def read_files() -> dict[str, tuple[int, bytes]]:
        files = (path for path in finished.path.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = read_files()
    done = run_without({"torch", "torchvision", "ray"}, *finished.arguments())
    assert done.returncode == 0, done.stderr
    assert "Tables and page (up to date)" in done.stdout
    assert read_files() == before


@pytest.mark.slow
def test_tables_that_are_gone_are_written_again_without_torch_too(finished: Folder) -> None:
    table = finished.results / "table.md"
    text = table.read_text()
    table.unlink()
    done = run_without({"torch", "torchvision", "ray"}, *finished.arguments())
    assert done.returncode == 0, done.stderr
    assert "up to date" not in done.stdout
    assert table.read_text() == text


def test_help_comes_without_any_of_them() -> None:
    done = run_without({"torch", "ray", "pandas", "scipy", "altair", "sklearn"}, "--help")
    assert done.returncode == 0, done.stderr
    assert "--dry-run" in done.stdout
