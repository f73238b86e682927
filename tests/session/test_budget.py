"""The time that further replicates may take: what is spent of it, what is left when it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.known_learners import LEARNERS, STOPS, read_looks, read_state, write
from tests.own_study import OwnStudy
from tune_app.session import until_decided
from tune_app.session.calls import build_plan
from tune_app.session.options import parse_time
from tune_app.session.results import read_results


@pytest.fixture
def study(tmp_path: Path) -> OwnStudy:
    return write(tmp_path)


def test_time_is_spent_however_a_round_ends(study: OwnStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off at the fourth fit of further replicates: the looks as a kill finds them, and as they are exported."""
    monkeypatch.setattr(until_decided, "COUNTED_EVERY", 0.0)
    kept, exported, killed = (study.path / name for name in ("runs/own/looks.json", "results/own/looks.json", "killed"))
    stopping = STOPS.format(path=str(study.path / "fits"), kept=str(kept), killed=str(killed))
    study.write("learners.py", LEARNERS.replace("    source =", stopping.replace("% 17", "% 28") + "    source =", 1))
    assert study.run("--until-decided", "--max-replicates", "15") == 130
    seconds = [json.loads(path.read_text())["seconds"] for path in (killed, kept, exported)]
    assert 0 < seconds[0] < seconds[1]
    assert seconds[2] == seconds[1]


@pytest.mark.slow
def test_the_budget_stops_the_course_and_a_larger_one_goes_on(study: OwnStudy, capsys: Any) -> None:
    assert study.run("--until-decided", "--budget", "0.000001") == 0
    assert "What is beyond the budget of" in capsys.readouterr().out
    assert read_looks(study)["replicates"].to_list() == [3, 3, 3]
    before = read_state(study)
    assert before["most"] == 30
    assert {path["state"] for path in before["paths"]} == {"decided", "out-of-budget"}
    reasons = read_results(study.path / "results" / "own").verdicts.set_index("sentence")["reason"]
    assert "the budget does not allow its next look, at 4" in reasons["A little is higher."]
    assert study.run("--until-decided", "--max-replicates", "15") == 2
    assert "were planned for 30" in capsys.readouterr().err
    assert study.run("--until-decided", "--budget", "1h") == 0
    assert "0 open. The study is done." in " ".join(capsys.readouterr().out.split())
    assert read_looks(study)["replicates"].max() > 3


def test_a_dry_run_says_how_far_the_budget_goes(study: OwnStudy, capsys: Any) -> None:
    assert study.run() == 0
    plan = build_plan(
        study.path / "study.yaml", executor="inline", runs=study.path / "runs", results=study.path / "results"
    ).build_frame()
    seconds = float((plan["predicted_fit_seconds"] * plan["fits"])[plan["trial"].str.contains("-r0-")].sum())
    for times, said in {
        0.5: "allows 0.",
        5.5: "allows 5. --max-replicates 8 plans the last look there instead of at 30",
        50.0: "is enough for all looks.",
    }.items():
        capsys.readouterr()
        assert study.run("--until-decided", "--budget", f"{times * seconds:.9f}", "--dry-run") == 0
        assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("1h30m", 5400), ("45s", 45), ("90", 90), ("1.5h", 5400)])
def test_budgets_are_times(text: str, seconds: float) -> None:
    assert parse_time(text, "--budget") == seconds
