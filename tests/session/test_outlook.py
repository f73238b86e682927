"""What claims need is said once: by `--dry-run`, in outlook.csv, in claims.csv, in the tables and on the page."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.folders import Folder, fits_on_disk

LEARNT: dict[str, Any] = {"recipe": {"epochs": 8, "batch_size": 10}}  # enough for scores above chance
CLAIM = {
    "sentence": "Dropout and batch normalisation raise the test accuracy.",
    "levels": {"regularizer": "dropout+batchnorm"},
    "against": {"regularizer": "none"},
    "expect": "equal",
    "by": 0.004,
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("judged"), claims=[CLAIM], **LEARNT)
    assert folder.run() == 0
    return folder


def test_the_dry_run_says_what_the_tables_say(judged: Folder, capsys: Any) -> None:
    results = judged.results
    outlook = pd.read_csv(results / "outlook.csv").set_index("kind")
    (claim,) = pd.read_csv(results / "claims.csv").to_dict("records")
    row = outlook.loc["claim"]
    assert (row["needed_80"], row["power"]) == (claim["needed_replicates"], claim["power"])
    shown = json.loads((results / "results.json").read_text())["outlook"][0]
    assert shown["needed_80"] == claim["needed_replicates"]
    capsys.readouterr()
    assert judged.run("--dry-run") == 0
    printed = capsys.readouterr().out
    needed = [f"{row[name]:.0f}" for name in ("needed_80", "needed_90")]
    assert " ".join(needed) in " ".join(printed.split())
    reason = f"{needed[0]} replicates would decide it four times in five, {needed[1]} nine times in ten"
    for name in ("table.md", "index.html"):
        assert reason in (results / name).read_text()


def test_a_dry_run_says_what_is_left_to_run(judged: Folder, tmp_path: Path, capsys: Any) -> None:
    def ask(folder: Folder) -> str:
        capsys.readouterr()
        assert folder.run("--dry-run") == 0
        return " ".join(capsys.readouterr().out.split())

    fresh = Folder(tmp_path, claims=[CLAIM], **LEARNT)
    said = ask(fresh)
    fits = re.search(r"trials, (\d+) fits", said)
    assert fits
    assert "are done" not in said
    assert fresh.run("--only", "regularizer=none") == 0
    done = fits_on_disk(fresh)
    assert 0 < done < int(fits[1])
    assert f"{done} of {fits[1]} fits are done; the command will be through in about " in ask(fresh)
    assert f"All {fits[1]} fits are done: there is nothing left to run." in ask(judged)


def test_before_there_are_records_an_assumed_spread_or_a_pilot_gives_the_power(
    judged: Folder, tmp_path: Path, capsys: Any
) -> None:
    fresh = Folder(tmp_path, claims=[CLAIM], **LEARNT)
    assert fresh.run("--dry-run") == 0
    assert "name a pilot study with --pilot, or assume one with --assume-sd" in " ".join(
        capsys.readouterr().out.split()
    )
    assert fresh.run("--dry-run", "--pilot", str(judged.results)) == 0
    assert "small" in capsys.readouterr().out
    assert fresh.run("--dry-run", "--assume-sd", "0.0001") == 0
    assert "100%" in capsys.readouterr().out


def test_a_pilot_that_is_none_and_a_spread_that_cannot_be_are_refused(tmp_path: Path, capsys: Any) -> None:
    folder = Folder(tmp_path, claims=[CLAIM], **LEARNT)
    assert folder.run("--dry-run", "--pilot", str(tmp_path)) == 2
    assert "--pilot:" in capsys.readouterr().err
    assert folder.run("--dry-run", "--assume-sd", "0") == 2
    assert "a standard deviation is above 0" in capsys.readouterr().err
