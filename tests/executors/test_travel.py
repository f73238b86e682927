"""Users' own parts on a node that does not have them: what is sent there, and what is told that cannot be found."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.executors.second_node import (
    HOST,
    ROOT,
    build_environment,
    start_cluster,
    study_content,
    write_study,
    write_users_files,
)
from tune_app.records import RECORDS_FILE, RUN_FIELDS

RUN_SECONDS = 180


def find_obstacle() -> str:
    """Why no second node can be set apart here, empty if one can."""
    try:
        command = ["unshare", "--mount", "--uts", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
        tried = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return tried.stderr.strip() if tried.returncode else ""


@dataclass(frozen=True)
class User:
    """A user at a node of the cluster, who has a project and an environment that the other node does not see."""

    project: Path
    python: Path
    environment: dict[str, str]

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), "-m", "tune_app.grid", "study.yaml", "--device", "cpu", *more]
        return subprocess.run(
            command,
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
        )

    def run_there(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run("--address", self.environment["RAY_ADDRESS"], *more)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, alone_with_ray: None) -> Iterator[User]:
    if obstacle := find_obstacle():
        pytest.skip(f"a node with another view of the disk cannot be set up here: {obstacle}")
    folder = tmp_path_factory.mktemp("mine")
    project = write_users_files(folder)
    python = build_environment(folder)
    with start_cluster(folder, tmp_path_factory.mktemp("logs")) as environment:
        yield User(project, python, environment)


def folds_in(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "travels" / "folds.csv")


@pytest.mark.ray
@pytest.mark.slow
def test_source_in_src_editable_packages_weights_and_files_reach_another_node_and_give_the_same(user: User) -> None:
    write_study(user.project)
    for way, call in (("here", user.run), ("there", user.run_there)):
        executor = ("--executor", "inline") if way == "here" else ()
        done = call("--allow", "lab_layers", "--runs", f"runs_{way}", "--results", way, *executor)
        assert done.returncode == 0, done.stdout + done.stderr
    here, there = folds_in(user.project / "here"), folds_in(user.project / "there")
    assert set(there["status"]) == {"completed"}
    assert set(there["host"]) == {HOST}
    of_runs = [name for name in there if name in RUN_FIELDS]
    pd.testing.assert_frame_equal(here.drop(columns=of_runs), there.drop(columns=of_runs))


@pytest.mark.ray
@pytest.mark.slow
def test_what_another_node_lacks_is_told_with_its_name_before_any_fit_starts(user: User) -> None:
    define = study_content()["define"]
    far = user.project / "channels.json"  # an absolute path is one that every node has
    define |= {"lonely": {"model": "lonely:build_net"}, "far": {**define["net"], "files": [str(far)]}}
    define["net"] = {**define["net"], "files": []}  # its code reads a file all the same
    write_study(user.project, name="lacking", define=define, grid=[{"model": ["net", "lonely", "far"], "folds": 2}])
    done = user.run_there("--allow", "lab_layers")
    assert done.returncode == 2, done.stdout + done.stderr
    told = " ".join(done.stderr.split())
    where = f"node {HOST} (127.0.0.2)"
    lonely = "lonely:build_net cannot be used there: No module named 'only_here' (lonely.py, line 3)"
    assert f"{where}: define.lonely: {lonely}" in told
    assert f"{where}: define.far: {far} cannot be read: No such file or directory" in told
    assert f"{where}: define.net: my_nets.nets:build_net cannot be used there: FileNotFoundError" in told
    assert "127.0.0.1)" not in told, "no trial runs on the head, which has no core"
    records = user.project / "runs" / "lacking" / RECORDS_FILE
    assert not records.exists() or not records.read_text(), "nothing has run"


SCRIPT = """
import sys

sys.path[:0] = ["src", "../lab/src"]

import tune_app

if __name__ == "__main__":
    done = tune_app.run_study("study.yaml", allow=["lab_layers"], device="cpu", progress=False, results="script")
    print(*sorted(set(done.folds["status"])))
"""


@pytest.mark.ray
@pytest.mark.slow
def test_folders_that_a_program_puts_on_the_path_itself_reach_its_workers(tmp_path: Path) -> None:
    project = write_users_files(tmp_path)
    write_study(project)
    (project / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "script.py"]
    done = subprocess.run(
        command,
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    assert done.stdout.splitlines()[-1:] == ["completed"], done.stdout + done.stderr
