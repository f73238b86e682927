"""A study run in a checkout leaves it as git knows it."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.folders import ROOT, Folder

GIT = ["git", "-c", "user.name=tests", "-c", "user.email=tests@localhost"]


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_options_of_make_grid() -> list[str]:
    (options,) = re.findall(
        r"^\t\S*tune-grid \$\(STUDY\) (.*)\$\(ARGS\)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    return shlex.split(options)


@pytest.mark.slow
def test_make_grid_leaves_git_status_clean_though_the_studys_results_are_committed(
    finished: Folder, tmp_path: Path
) -> None:
    copy = tmp_path / "checkout"
    for name in run("git", "ls-files", cwd=ROOT).splitlines():
        if (ROOT / name).exists() and not name.startswith("results/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    shutil.copytree(finished.results, copy / "results" / "small")
    shutil.copy2(finished.study, copy / "small.yaml")
    run("git", "init", "--quiet", cwd=copy)
    run("git", "add", "--all", cwd=copy)
    run(*GIT, "commit", "--quiet", "--message", "A checkout", cwd=copy)
    command = [sys.executable, "-m", "tune_app.grid", "small.yaml", *read_options_of_make_grid()]
    run(*command, "--executor", "inline", cwd=copy)
    assert list((copy / "runs").rglob("index.html")), "it ran, and wrote its tables where git does not look"
    assert run("git", "status", "--porcelain", cwd=copy) == ""
