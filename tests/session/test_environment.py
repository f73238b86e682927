"""The environments in which records were made stay with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.folders import Folder
from tune_app.records import FoldRecord, RecordSet, RecordStore, read_records, record_from_dict, record_to_line
from tune_app.records.environments import build_environments, build_key, locate
from tune_app.records.results import read_results


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "environment.json").read_text())
    return content


def rewrite(folder: Folder, change: Callable[[dict[str, Any]], dict[str, Any]], key: str | None) -> None:
    """As if another version had run it: environment.json changed, and the key in every fold's record."""
    for place in (folder.runs, folder.results):
        (place / "environment.json").write_text(json.dumps(change(read(place))))
        path = place / "records.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        told = [line | ({"environment": key} if line["kind"] == "fold" else {}) for line in lines]
        path.write_text("".join(record_to_line(record_from_dict(without(line, "checksum"))) for line in told))


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


def age(folder: Folder) -> dict[str, Any]:
    """Make the folder's records those of torch 1.0.0, with a key; give their environment."""
    (here,) = read(folder.runs)["environments"].values()
    old: dict[str, Any] = {**here, "versions": {**here["versions"], "torch": "1.0.0"}}
    rewrite(folder, lambda content: {**content, "environments": {build_key(old): old}}, build_key(old))
    return old


def strip(folder: Folder, earlier: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Make the folder one of an earlier version, whose records have no key; give what its environment.json says."""

    def change(content: dict[str, Any]) -> dict[str, Any]:
        old = {name: value for name, value in content.items() if name != "environments"}
        old["versions"] = {**old["versions"], "torch": "1.0.0"}
        return {**old, **({"earlier": earlier} if earlier else {})}

    rewrite(folder, change, None)
    return read(folder.results)


def folds_of(folder: Path) -> list[FoldRecord]:
    return list(read_records(folder / "records.jsonl").records.folds.values())


def torch_versions(folder: Folder) -> dict[str, set[str]]:
    """By regularizer; empty where the version is not known."""
    frame = pd.read_csv(folder.results / "folds.csv", dtype=str, keep_default_na=False)
    return {str(name): set(found["torch_version"]) for name, found in frame.groupby("regularizer")}


def test_every_record_names_an_environment_that_the_folder_describes(finished: Folder) -> None:
    content = read(finished.results)
    ((key, here),) = content["environments"].items()
    assert key == build_key(here)
    assert {name: here[name] for name in ("commit", "versions", "platform", "processor")} == {
        name: content[name] for name in ("commit", "versions", "platform", "processor")
    }
    assert here["host"]
    assert here["started"] <= content["finished"]
    for place in (finished.runs, finished.results):
        assert {record.environment for record in folds_of(place)} == {key}
    assert set(pd.read_csv(finished.results / "folds.csv", dtype=str)["environment"]) == {key}


def test_a_study_that_goes_on_elsewhere_has_both_environments(half_finished: Folder) -> None:
    old = age(half_finished)
    assert half_finished.run() == 0
    environments = read(half_finished.results)["environments"]
    assert environments[build_key(old)] == old
    assert len(environments) == 2
    (versions,) = {one["versions"]["torch"] for one in environments.values()} - {"1.0.0"}
    assert torch_versions(half_finished) == {"none": {"1.0.0"}, "dropout+batchnorm": {versions}}
    page = (half_finished.results / "index.html").read_text()
    assert all(key in page for key in environments)


@pytest.mark.slow
def test_a_contrast_of_fits_of_two_versions_says_so_wherever_it_is_shown(tmp_path: Path) -> None:
    recipe = {"epochs": 4, "batch_size": 20, "learning_rate": 0.005}
    grid = [{"model": "cnn", "width": 0.2, "regularizer": ["none", "batchnorm"], "folds": 3}]
    learning = Folder(tmp_path, recipe=recipe, grid=grid)
    assert learning.run("--only", "regularizer=none") == 0
    (here,) = read(learning.results)["environments"].values()
    age(learning)
    assert learning.run() == 0
    contrasts = pd.read_csv(learning.results / "contrasts.csv", keep_default_na=False)
    said = f"torch {here['versions']['torch']} against 1.0.0."
    assert contrasts.loc[contrasts["metric"] == "test_accuracy", "note"].str.endswith(said).all()
    for name in ("table.md", "index.html", "results.json"):
        assert said in (learning.results / name).read_text(), name


def test_records_taken_over_keep_theirs_and_nothing_need_run(finished: Folder, tmp_path: Path) -> None:
    old = age(finished)
    elsewhere = Folder(tmp_path / "there")
    before = [record.environment for record in folds_of(finished.results)]
    for _ in range(2):  # the second run finds nothing to do
        assert elsewhere.run("--continue-from", str(finished.results)) == 0
        assert read(elsewhere.results)["environments"] == {build_key(old): old}
        assert [record.environment for record in folds_of(elsewhere.results)] == before


@pytest.mark.slow
def test_records_taken_over_stand_beside_those_that_are_made_here(half_finished: Folder, tmp_path: Path) -> None:
    old = age(half_finished)
    elsewhere = Folder(tmp_path / "there")
    assert elsewhere.run("--continue-from", str(half_finished.results)) == 0
    environments = read(elsewhere.results)["environments"]
    assert environments[build_key(old)] == old
    assert {record.environment for record in folds_of(elsewhere.results)} == set(environments)
    assert torch_versions(elsewhere)["none"] == {"1.0.0"}


@pytest.mark.slow
def test_records_without_a_key_bring_the_one_environment_of_their_folder(half_finished: Folder, tmp_path: Path) -> None:
    old = strip(half_finished)
    elsewhere = Folder(tmp_path / "there")
    assert elsewhere.run("--continue-from", str(half_finished.results)) == 0
    assert torch_versions(elsewhere)["none"] == {"1.0.0"}
    keys = {record.environment for record in folds_of(elsewhere.results) if "dropout" not in record.trial}
    assert keys == {build_key(old)}


def test_records_without_a_key_stay_as_they_are_where_their_study_goes_on(half_finished: Folder) -> None:
    strip(half_finished)
    assert half_finished.run() == 0
    assert torch_versions(half_finished)["none"] == {"1.0.0"}
    assert {record.environment for record in folds_of(half_finished.results) if "dropout" not in record.trial} == {None}
    assert read_results(half_finished.results).environment == read(half_finished.runs)


@pytest.mark.slow
def test_records_of_one_of_several_environments_are_not_said_to_be_of_any(
    half_finished: Folder, tmp_path: Path
) -> None:
    here = read(half_finished.results)
    old = strip(half_finished, earlier=[{name: here[name] for name in ("commit", "versions", "processor")}])
    elsewhere = Folder(tmp_path / "there")
    assert elsewhere.run("--continue-from", str(half_finished.results)) == 0
    assert torch_versions(elsewhere)["none"] == {""}
    taken = next(record for record in folds_of(elsewhere.results) if "dropout" not in record.trial)
    key, candidates = locate(taken, build_environments(read(elsewhere.results)))
    assert key.startswith("unknown-")
    assert [one["versions"] for one in candidates] == [old["versions"], here["versions"]]


def test_an_environment_is_on_disk_before_the_first_record_that_names_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed at its first record has said where that was made."""
    seen: list[set[str]] = []
    append = RecordStore.append

    def watch(store: RecordStore, record: Any) -> None:
        seen.append(set(json.loads((store.path.parent / "environment.json").read_text())["environments"]))
        append(store, record)

    monkeypatch.setattr(RecordStore, "append", watch)
    assert folder.run("--only", "regularizer=none") == 0
    keys = {record.environment for record in RecordSet(folds_of(folder.runs)).folds.values()}
    assert seen
    assert all(keys <= noted for noted in seen)


def test_records_taken_over_bring_the_environment_they_were_made_in(half_finished: Folder, tmp_path: Path) -> None:
    path = half_finished.results / "environment.json"
    first = json.loads(path.read_text())
    path.write_text(json.dumps(first | {"processor": "another one"}))
    elsewhere = Folder(tmp_path / "there")
    for _ in range(2):  # the second run finds the first one's in its own results folder
        assert elsewhere.run("--continue-from", str(half_finished.results)) == 0
        environment = json.loads((elsewhere.results / "environment.json").read_text())
        assert [run["processor"] for run in environment["earlier"]] == ["another one"]
        assert environment["earlier"][0]["versions"] == first["versions"]
    assert "another one" in (elsewhere.results / "index.html").read_text()
