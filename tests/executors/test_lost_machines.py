"""Machines that are lost in mid-study, and what is refused of a cluster before anything starts."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.executors.machines import HEAD, NET, ROOT, Machines, build_machines, find_obstacle
from tune_app.records import RECORDS_FILE, RUN_FIELDS

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RUN_SECONDS = 300
FILES = {
    "load.py": """
import numpy as np
from sklearn.datasets import load_wine

import tune_app


def load():
    found = load_wine()
    return tune_app.Data(found.data.astype(np.float32), found.target.astype(np.int64), ("a", "b", "c"))
""",
    # A machine that a file tells to stop does so in the second epoch of a process's second fit: one fit is recorded
    # there then, and an epoch of another.
    "nets.py": """
import socket
import time
from pathlib import Path

from torch import nn

GATE = Path({gate!r})
epochs = []


class Stopping(nn.Linear):
    def train(self, mode=True):
        stop = GATE / f"stop-{{socket.gethostname()}}"
        epochs.extend([None] * mode)
        if stop.exists() and len(epochs) == {epochs} + 2:
            (GATE / f"at-{{socket.gethostname()}}").touch()
            while stop.exists():
                time.sleep(0.05)
        return super().train(mode)


def build_net(*, inputs, outputs):
    return nn.Sequential(Stopping(inputs[0], outputs))
""",
}
EPOCHS = 3
STUDY: dict[str, Any] = {
    "name": "lost",
    "define": {"wine": {"data": "load:load"}, "net": {"model": "nets:build_net"}},
    "data": "wine",
    "test": "none",
    "recipe": {"epochs": EPOCHS, "batch_size": 32},
    "grid": [{"model": "net", "folds": 3, "learning_rate": [0.01, 0.1]}],
}


class Lab:
    """A user's project at the head, who can make machines stop in mid-fit."""

    def __init__(self, folder: Path, machines: Machines) -> None:
        self.machines = machines
        self.project = folder / "project"
        self.gate = folder / "gate"
        self.project.mkdir()
        self.gate.mkdir()
        for name, text in FILES.items():
            self.project.joinpath(name).write_text(
                text.format(gate=str(self.gate), epochs=EPOCHS) if name == "nets.py" else text
            )
        (self.project / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))

    def start(self, *more: str, **environment: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tune_app.grid", "study.yaml", "--device", "cpu", *more]
        return subprocess.Popen(
            self.machines.on("head", *command),
            cwd=self.project,
            env={**self.machines.environment, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def join(self, *more: str, **environment: str) -> "subprocess.Popen[str]":
        # By trial, so that each machine comes to a second fit.
        return self.start("--address", HEAD, "--shard", "trial", *more, **environment)

    def stop(self, name: str) -> None:
        (self.gate / f"stop-{name}").touch()

    def wait_at(self, name: str, process: "subprocess.Popen[str]") -> None:
        """Until the machine stands still in a fit."""
        until = time.monotonic() + RUN_SECONDS
        while not (self.gate / f"at-{name}").exists():
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise AssertionError(f"{name} never came to a second fit: {process.communicate()}")
            time.sleep(0.1)

    def read_folds(self, runs: str) -> list[tuple[str, int]]:
        """(trial, fold) of the lines of the file of records that speak of a fold."""
        lines = (self.project / runs / "lost" / RECORDS_FILE).read_text().splitlines()
        records = [json.loads(line) for line in lines]
        return [(record["trial"], record["fold"]) for record in records if "status" in record]

    def read(self, results: str, table: str) -> pd.DataFrame:
        frame = pd.read_csv(self.project / results / "lost" / table)
        return frame.drop(columns=[name for name in frame if name in (*RUN_FIELDS, "torch_version")])


def end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=RUN_SECONDS)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, alone_with_ray: None) -> Iterator[Lab]:
    """Two nodes, `first` and `second`; the second has another numpy, by the metadata that pip would have written."""
    if obstacle := find_obstacle():
        pytest.skip(f"machines of their own cannot be made here: {obstacle}")
    folder = tmp_path_factory.mktemp("lab")
    other = folder / "other" / "numpy-9.8.7.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.8.7\n")
    with build_machines(["first", "second"], tmp_path_factory.mktemp("logs"), [folder / "project"]) as machines:
        lab = Lab(folder, machines)
        machines.add_head()
        machines.add_node("first")
        machines.add_node("second", PYTHONPATH=str(other.parent))
        yield lab


def test_a_token_that_is_refused_is_told_in_a_sentence(lab: Lab) -> None:
    code, _, err = end(lab.join(RAY_AUTH_TOKEN="0" * 64))
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith(f"ResourceError: --address {HEAD}: the cluster refuses this user's token; set RAY_AUTH_MODE")


def test_a_node_of_another_version_is_named_and_refused(lab: Lab) -> None:
    code, _, err = end(lab.join())
    assert code == 2, err
    told = err.splitlines()
    assert any(f"node second ({NET}.3): numpy 9.8.7 there, " in line for line in told)
    assert "--mixed-versions" in told[-1]
    assert not any("node first" in line for line in told)
    records = lab.project / "runs" / "lost" / RECORDS_FILE
    assert not records.exists() or not records.read_text(), "nothing has run"


def test_shares_that_no_node_of_the_cluster_has_are_refused_with_what_they_have(lab: Lab) -> None:
    code, _, err = end(lab.join("--mixed-versions", "--cpus-per-trial", "3"))
    assert code == 2
    assert "asks for 3 CPUs and 0 GPUs, no node has that; nodes have" in err
    assert "1 CPUs and 0 GPUs" in err


@pytest.fixture(scope="module")
def whole(lab: Lab) -> str:
    """The folder of the results of an undisturbed run."""
    code, out, err = end(lab.start("--executor", "inline", "--runs", "runs_whole", "--results", "whole"))
    assert code == 0, out + err
    return "whole"


def test_a_node_that_is_lost_costs_the_fit_under_way_alone(lab: Lab, whole: str) -> None:
    lab.stop("first")
    process = lab.join("--mixed-versions", "--runs", "runs_lost", "--results", "lost")
    lab.wait_at("first", process)
    lab.machines.kill("first")
    code, out, err = end(process)
    assert code == 0, out + err
    assert "its process was lost; what was under way there runs again." in err
    assert sorted(lab.read_folds("runs_lost")) == sorted(lab.read_folds("runs_whole")), "nothing recorded ran again"
    for table in ("folds.csv", "epochs.csv"):
        pd.testing.assert_frame_equal(lab.read("lost", table), lab.read(whole, table))
    hosts = set(pd.read_csv(lab.project / "lost" / "lost" / "folds.csv")["host"])
    assert hosts == {"first", "second"}, "what the lost one had done stays"
    environment = json.loads((lab.project / "lost" / "lost" / "environment.json").read_text())
    assert any("node second" in sentence for sentence in environment["mixed_versions"])


def test_a_head_that_dies_ends_the_command_in_a_sentence_and_the_same_command_resumes(lab: Lab, whole: str) -> None:
    lab.stop("second")
    more = ["--mixed-versions", "--runs", "runs_head", "--results", "head"]
    process = lab.join(*more)
    lab.wait_at("second", process)
    lab.machines.kill("head")
    code, out, err = end(process)
    assert code == 1, out + err
    told = [line for line in (out + err).splitlines() if line.startswith("Ray's head at")]
    assert len(told) == 1
    assert "has not answered for 15 s. 1 of 6 fits are done and on disk. Resume with: " in told[0]
    assert err.splitlines() in ([], told), "neither a traceback nor Ray's log"
    code, out, err = end(lab.start("--executor", "inline", "--runs", "runs_head", "--results", "head"))
    assert code == 0, out + err
    assert "5 fits in 2 trials to run, 1 done before." in out
    pd.testing.assert_frame_equal(lab.read("head", "folds.csv"), lab.read(whole, "folds.csv"))
