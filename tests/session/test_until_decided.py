"""A study that runs on until its claims are decided, whose truth is known: learners that are right as often as told."""

import html
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from scipy import stats

from tests.known_learners import CLAIMS, LEARNERS, STOPS, claim, read_looks, read_state, write
from tests.own_study import OwnStudy
from tune_app.session.results import read_results
from tune_app.session.studies import read_study


@pytest.fixture
def study(tmp_path: Path) -> OwnStudy:
    return write(tmp_path)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> OwnStudy:
    """The study once every claim is closed."""
    study = write(tmp_path_factory.mktemp("decided"))
    assert study.run("--until-decided", "--max-replicates", "15") == 0
    return study


def test_a_dry_run_says_when_the_looks_come_and_what_they_have_come_to(study: OwnStudy, capsys: Any) -> None:
    options = ("--until-decided", "--max-replicates", "4", "--dry-run")
    assert study.run(*options) == 0
    assert "The claims are looked at after 3, 4 replicates.\n" in capsys.readouterr().out
    assert study.run(*options[:-1]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Next: skill 0.63 to 4 replicates; skill 0.6 to 4 replicates." in said
    assert study.run(*options) == 0
    assert "looked at after 3, 4 replicates. Look 2: of 3 claims 1 decided" in " ".join(capsys.readouterr().out.split())


def test_looks_go_by_the_test_that_the_claim_is_judged_by(tmp_path: Path) -> None:
    """Of new images, too: they need the labels of the test set, and a look comes before the tables."""
    study = write(tmp_path, "new-images")
    assert study.run("--until-decided", "--max-replicates", "4") == 0
    last = read_looks(study).groupby("sentence", sort=False).last()
    verdicts = pd.read_csv(study.path / "results" / "own" / "claims.csv").set_index("sentence")
    assert set(verdicts["estimand"]) == {"new images"}
    halves = stats.t.isf(0.025, last["df"]) * last["standard_error"]
    assert halves.tolist() == pytest.approx(((verdicts["ci95_high"] - verdicts["ci95_low"]) / 2).tolist(), rel=1e-6)


def test_decided_claims_stop_and_open_ones_go_on(decided: OwnStudy, capsys: Any) -> None:
    looks, folder = read_looks(decided), decided.path / "results" / "own"
    last = looks.groupby("sentence", sort=False).last()
    assert last["state"].to_dict() == {
        "Much is higher.": "decided",
        "Something is higher.": "decided",
        "A little is higher.": "futile",
    }
    assert looks.groupby("sentence")["replicates"].apply(list)["Something is higher."] == [3, 4, 6, 8, 11]
    results = read_results(folder)
    verdicts = results.verdicts.set_index("sentence")
    assert verdicts["verdict"].to_list() == ["supported", "supported", "undecided"]
    for name, column in {"adjusted_low": "low", "adjusted_high": "high", "p_spent": "p_spent", "look": "look"}.items():
        assert verdicts[name].astype(float).to_list() == pytest.approx(last[column].to_list(), rel=1e-6), name
    assert (verdicts["adjusted_low"] < verdicts["ci95_low"]).all()
    assert "at look 5, after 11 replicates" in verdicts["reason"]["Something is higher."]
    assert "below 10%" in verdicts["reason"]["A little is higher."]
    ran = {specs[0].condition["skill"]: len(specs) for specs in results.study.conditions()}
    needed = last["replicates"].to_dict()
    assert ran == {
        0.6: max(needed.values()),
        0.61: needed["A little is higher."],
        0.63: needed["Something is higher."],
        0.9: needed["Much is higher."],
    }
    for name in ("table.md", "index.html"):
        text = html.unescape((folder / name).read_text())
        assert "Each interval is that of the claim's last look." in text
        assert "p and interval are adjusted by Holm" not in text
    assert "look 5, by which an error rate of " in text
    assert "p (Holm) –" not in text
    kept = (folder / "looks.json").read_text()
    assert kept == (decided.path / "runs" / "own" / "looks.json").read_text()
    planned = {trial.spec.id for trial in read_study(decided.path / "study.yaml").grid_trials()}
    assert planned < {trial.spec.id for trial in results.study.grid_trials()}, "the planned trials are what they were"

    capsys.readouterr()
    assert decided.run() == 0, "a plain run keeps what was run"
    assert "up to date" in capsys.readouterr().out
    assert decided.run("--until-decided") == 0, "and there is nothing to go on with"
    assert "0 open. The study is done." in capsys.readouterr().out
    assert (folder / "looks.json").read_text() == kept


def test_the_figure_draws_each_look_and_the_effects_that_are_claimed(decided: OwnStudy) -> None:
    looks = read_looks(decided)
    figure = read_results(decided.path / "results" / "own").build_figures()["looks"]
    (rows,) = [rows for rows in figure.build_spec()["datasets"].values() if rows] or [[]]
    assert [(row["sentence"], row["replicates"]) for row in rows] == list(
        looks[["sentence", "replicates"]].itertuples(index=False, name=None)
    )
    assert [row["effect"] for row in rows] == pytest.approx(list(100 * looks["effect"]), rel=1e-5)
    assert [row["adjusted_low"] for row in rows] == pytest.approx(list(100 * looks["low"]), rel=1e-5)
    assert all(row["low"] >= row["adjusted_low"] - 1e-4 for row in rows), "ends are cut, never drawn out"
    bands = [row["region_low"] for row in rows if row["region_low"] is not None]
    assert bands == pytest.approx([1.0, 1.0, 1.0])
    assert figure.draw().svg.startswith("<svg")


@pytest.mark.slow
def test_an_interrupted_course_goes_on_as_if_it_had_not_been(decided: OwnStudy, tmp_path: Path) -> None:
    again = write(tmp_path)
    stopping = STOPS.format(path=str(tmp_path / "fits"), kept="", killed="")
    again.write("learners.py", LEARNERS.replace("    source =", stopping + "    source =", 1))
    codes = []
    for _ in range(12):
        codes.append(again.run("--until-decided", "--max-replicates", "15", "--same-code"))
        if codes[-1] == 0:
            break
    assert codes.count(130) >= 3
    assert codes[-1] == 0
    assert read_state(again) == read_state(decided)
    tables = [(each.path / "results" / "own" / "claims.csv").read_text() for each in (again, decided)]
    assert tables[0] == tables[1]


@pytest.mark.slow
def test_changed_claims_are_a_new_family(study: OwnStudy, capsys: Any) -> None:
    assert study.run("--until-decided", "--budget", "0.000001") == 0
    study.write_study(**{**study_keys(study), "claims": [claim("Other.", 0.9, by=0.2)]})
    assert study.run() == 0
    verdicts = read_results(study.path / "results" / "own").verdicts
    assert "ran on until other claims were decided" in verdicts["note"][0]
    capsys.readouterr()
    assert study.run("--until-decided", "--budget", "0.000001") == 0
    assert "they are a new family, number 2" in " ".join(capsys.readouterr().out.split())
    state = read_state(study)
    assert [path["sentence"] for path in state["paths"]] == ["Other."]
    assert [path["sentence"] for each in state["earlier"] for path in each["paths"]] == [c["sentence"] for c in CLAIMS]
    verdicts = read_results(study.path / "results" / "own").verdicts
    assert "their error counted apart" in verdicts["note"][0]


def study_keys(study: OwnStudy) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((study.path / "study.yaml").read_text())
    return content


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--budget", "2h"], "--budget is for --until-decided"),
        (["--until-decided", "--budget", "soon"], "write a time such as 2h"),
        (["--until-decided", "--only", "skill=0.6"], "leave --only out"),
        (["--until-decided", "--max-replicates", "1"], "choose 2 to 1000"),
    ],
)
def test_options_that_do_not_go_together_are_refused(study: OwnStudy, capsys: Any, more: list[str], said: str) -> None:
    assert study.run(*more) == 2
    assert said in capsys.readouterr().err
    assert not study.has_records


def test_a_study_without_claims_has_nothing_to_decide(study: OwnStudy, capsys: Any) -> None:
    study.write_study(**{**study_keys(study), "claims": []})
    assert study.run("--until-decided") == 2
    assert "the study makes no claim" in capsys.readouterr().err


@pytest.mark.slow
def test_a_folder_of_results_is_gone_on_from_with_its_looks(decided: OwnStudy, tmp_path: Path, capsys: Any) -> None:
    other = write(tmp_path)
    assert other.run("--until-decided", "--continue-from", str(decided.path / "results" / "own")) == 0
    told = capsys.readouterr().out
    assert "0 fits in" not in told
    assert "test accuracy 0." not in told, "nothing is trained again"
    assert "0 open. The study is done." in told
    assert read_state(other) == read_state(decided)
    assert read_looks(other).equals(read_looks(decided))
