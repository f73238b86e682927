"""A user's own networks, data, recipe parts, metrics, splitters and estimators: run, recorded and compared as ours."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import f1_score, roc_auc_score
from torch import nn

import tune_app
from tests.builders import study_content
from tests.calls import run
from tests.session.own_parts import own_content, write_own_study, write_parts
from tune_app.records import FoldRecord, unpack_labels

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("empty_folder")


def scores_of(results: tune_app.Results) -> dict[tuple[str, int], Any]:
    return {key: (record.status, record.scores, record.predictions) for key, record in results.records.folds.items()}


def read_side_file(record: FoldRecord, runs: str = "runs") -> Any:
    return np.load(Path(runs) / "own" / str(record.outputs))


def test_parts_of_every_kind_run_and_the_tool_scores_them_on_what_they_have_not_seen(tmp_path: Path) -> None:
    results = run(write_own_study(tmp_path))
    assert len(results.folds) == 12
    assert set(results.folds["status"]) == {"completed"}
    assert (results.folds.groupby("trial")["test_macro_f1"].mean() > 0.5).all()
    for record in results.records.folds.values():
        arrays = read_side_file(record)
        labels = unpack_labels(str(record.predictions))
        assert record.scores["test_macro_f1"] == pytest.approx(f1_score(arrays["targets"], labels, average="macro"))
        missed = 2 * np.mean((arrays["targets"] == 0) & (labels == 1))
        assert record.scores["test_missed"] == pytest.approx(missed)
        assert (record.n_train, record.n_test) in {(133, 67), (134, 66)}
    held_out = [read_side_file(r)["positions"] for r in results.records.folds.values() if r.trial.startswith("forest")]
    assert np.array_equal(np.sort(np.concatenate(held_out)), np.arange(200)), "every sample is held out once"


@pytest.mark.slow
def test_the_tables_name_the_primary_metric_and_its_better_direction(tmp_path: Path) -> None:
    results = run(write_own_study(tmp_path))
    assert results.conditions["metric"].iloc[0] == "test_macro_f1"
    missed = results.conditions[results.conditions["metric"] == "test_missed"]
    assert set(missed["better"]) == {"lower"}
    assert set(missed["unit"]) == {"share"}
    assert {"norm", "width", "trees", "scale"} <= set(results.contrasts.columns)
    assert "regularizer" not in results.contrasts.columns
    page = (Path("results") / "own" / "index.html").read_text()
    assert "test macro f1" in page
    assert "norm batch" in page


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_the_records_are_those_of_this_process_bit_for_bit(tmp_path: Path, alone_with_ray: None) -> None:
    path = write_own_study(tmp_path)
    inline = run(path)
    # In a process of its own, as other tests here have had clusters in theirs.
    places = ["--runs", "elsewhere", "--results", "others", "--device", "cpu"]
    command = [sys.executable, "-m", "tune_app.grid", str(path), *places]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    remote = tune_app.read_results("others/own")
    assert scores_of(remote) == scores_of(inline)
    for key, record in remote.records.folds.items():
        here, there = read_side_file(inline.records.folds[key]), read_side_file(record, "elsewhere")
        assert np.array_equal(here["outputs"], there["outputs"])


def test_a_metric_added_afterwards_is_computed_and_nothing_is_trained(tmp_path: Path) -> None:
    path = write_own_study(tmp_path, metrics={"primary": "macro_f1", "keep_scores": True})
    before = run(path)
    path.write_text(yaml.safe_dump(own_content(metrics={"primary": "macro_f1", "also": ["auroc"]})))
    after = run(path)
    assert {r.started for r in after.records.folds.values()} == {r.started for r in before.records.folds.values()}
    for record in after.records.folds.values():
        arrays = read_side_file(record)
        outputs = arrays["outputs"].astype(np.float64)
        assert record.scores["test_auroc"] == pytest.approx(
            roc_auc_score(arrays["targets"], outputs[:, 1] - outputs[:, 0])
        )


@pytest.mark.slow
def test_a_finished_study_of_ones_own_is_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_own_study(tmp_path)
    run(path)
    stamp = json.loads((Path("results") / "own" / "results.json").read_text())["made_from"]
    lines: list[str] = []
    run(path, progress=True)
    lines += capsys.readouterr().out.splitlines()
    assert any("up to date" in line for line in lines)
    assert json.loads((Path("results") / "own" / "results.json").read_text())["made_from"] == stamp


@pytest.mark.slow
def test_a_results_folder_reads_where_the_users_code_is_not(tmp_path: Path) -> None:
    results = run(write_own_study(tmp_path))
    for module in ("nets", "load", "parts", "baselines"):
        (tmp_path / f"{module}.py").unlink()
    again = tune_app.read_results("results/own")
    assert again.conditions.equals(results.conditions)
    assert [t.spec.id for t in again.study.grid_trials()] == [t.spec.id for t in results.study.grid_trials()]


def test_a_claim_compares_models_whose_arguments_differ(tmp_path: Path) -> None:
    claim = {"sentence": "The network is better.", "metric": "test_macro_f1", "expect": "higher"}
    sides = {"levels": {"model": "net"}, "against": {"model": "forest"}}
    study = tune_app.read_study(write_own_study(tmp_path, claims=[claim | sides]))
    pairs = study.claim_pairs(study.claims[0])
    found = [(first[0].condition["norm"], second[0].condition["model"]) for first, second in pairs]
    assert found == [("none", "forest"), ("batch", "forest")], "a forest has no norm to be equal in"
    same = {"levels": {"norm": "batch"}, "against": {"norm": "none"}}
    study = tune_app.read_study(write_own_study(tmp_path, claims=[claim | same]))
    assert len(study.claim_pairs(study.claims[0])) == 1, "of one model every other factor stays equal"


def test_an_argument_with_a_default_that_is_added_leaves_the_ids(tmp_path: Path) -> None:
    path = write_own_study(tmp_path)
    before = [trial.spec.id for trial in tune_app.read_study(path).grid_trials()]
    nets = (tmp_path / "nets.py").read_text()
    write_parts(tmp_path, nets=nets.replace("    *,\n    inputs", "    bias: bool = True,\n    *,\n    inputs"))
    after = tune_app.read_study(path)
    assert "bias" in after.factors
    assert [trial.spec.id for trial in after.grid_trials()] == before
    content = own_content()
    content["grid"][0]["width"] = 8  # its default, written out
    path.write_text(yaml.safe_dump(content))
    assert [trial.spec.id for trial in tune_app.read_study(path).grid_trials()] == before


def test_raising_a_version_makes_new_trials_of_what_uses_the_part(tmp_path: Path) -> None:
    path = write_own_study(tmp_path)
    before = [trial.spec.id for trial in tune_app.read_study(path).grid_trials()]
    after = [t.spec.id for t in tune_app.read_study(path, ["define.net.version=2"]).grid_trials()]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True, True]


def test_a_level_that_the_signature_does_not_allow_names_what_it_does(tmp_path: Path) -> None:
    content = own_content()
    content["grid"][0] |= {"norm": "bacth", "width": 65, "widht": 3}
    write_parts(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(tune_app.StudyError) as error:
        tune_app.read_study(path)
    text = str(error.value)
    assert "unknown norm 'bacth'; did you mean 'batch'? choose from none, batch" in text
    assert "width: must be less than or equal to 64, got 65" in text
    assert "unknown key 'widht'; did you mean 'width'?" in text


@pytest.mark.slow
def test_a_regression_with_groups_and_early_stopping_runs(tmp_path: Path) -> None:
    write_parts(tmp_path)
    content = own_content(
        define={
            "progression": {"data": "bundled", "name": "diabetes"},
            "net": {"model": "nets:build_net"},
            "cosine1": {"schedule": "cosine", "warmup_epochs": 1},
        },
        data="progression",
        splitter="kfold",
        metrics={"primary": "rmse", "also": ["r2", "mae"]},
        rope={"rmse": 1.0},
        recipe={
            "epochs": 12,
            "batch_size": 32,
            "optimizer": "adamw",
            "learning_rate": 0.05,
            "loss": "huber",
            "schedule": "cosine1",
            "clip_norm": 5.0,
            "stop": {"metric": "loss", "patience": 2, "holdout": 0.2},
        },
        grid=[{"model": "net", "folds": 3, "width": [8, 16]}],
    )
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    results = run(tmp_path / "study.yaml")
    assert set(results.folds["status"]) == {"completed"}
    assert results.folds["test_r2"].notna().all()
    assert "holdout_loss" in results.epochs.columns
    conditions = results.conditions[results.conditions["metric"] == "test_rmse"]
    assert set(conditions["better"]) == {"lower"}


def test_the_best_network_is_kept_and_loads_where_its_function_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = [{"model": "net", "folds": 3, "norm": "batch"}]
    path = write_own_study(tmp_path, grid=grid)
    results = run(path, keep="best")
    (trial,) = [planned.spec.id for planned in results.study.grid_trials()]
    weights = Path("runs") / "own" / "weights" / f"{trial}.pt"
    facts = tune_app.read_weights(weights)["facts"]
    assert facts["validation_macro_f1"] == results.epochs["validation_macro_f1"].max()
    network = tune_app.load_network(weights)
    assert network(torch.zeros(2, 30)).shape == (2, 2)


@pytest.mark.slow
def test_a_network_starts_from_the_weights_of_a_file_and_other_weights_are_another_code(tmp_path: Path) -> None:
    write_parts(tmp_path)
    torch.manual_seed(5)
    network = nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 2))
    torch.save(network.state_dict(), tmp_path / "start.pt")
    content = own_content(grid=[{"model": "net", "folds": 3}])
    content["define"]["net"]["weights"] = "start.pt"
    content["recipe"] |= {"learning_rate": 1e-12, "augment": "none"}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    results = run(path, keep="best")
    (trial,) = [planned.spec.id for planned in results.study.grid_trials()]
    kept = tune_app.load_network(Path("runs") / "own" / "weights" / f"{trial}.pt")
    assert torch.allclose(kept.state_dict()["0.weight"], network.state_dict()["0.weight"], atol=1e-6)
    torch.save({name: tensor + 1 for name, tensor in network.state_dict().items()}, tmp_path / "start.pt")
    with pytest.raises(tune_app.StudyError, match="model net has changed since 3 of its fits were made"):
        run(path, keep="best")


@pytest.mark.slow
def test_a_metric_of_labels_is_added_to_a_study_with_a_test_part_that_kept_no_outputs(tmp_path: Path) -> None:
    content = study_content(metrics={"primary": "accuracy"})
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    before = run(path)
    assert not any(record.outputs for record in before.records.folds.values())
    path.write_text(yaml.safe_dump(content | {"metrics": {"primary": "accuracy", "also": ["macro_f1", "auroc"]}}))
    after = run(path)
    truth = after.stored.test
    assert truth is not None
    for record in after.records.folds.values():
        labels = unpack_labels(str(record.predictions))
        if "test_macro_f1" in record.scores:  # undefined where a class is neither there nor predicted
            expected = f1_score(truth.labels, labels, average="macro")
            assert record.scores["test_macro_f1"] == pytest.approx(expected)
        assert "test_auroc" not in record.scores, "scores were not kept"
    assert any("test_macro_f1" in record.scores for record in after.records.folds.values())


@pytest.mark.slow
def test_pictures_are_augmented_as_they_are_stored_and_then_normalised(tmp_path: Path) -> None:
    seen = (
        "import torch\n\n\ndef whole():\n    def augment(inputs, targets, generator):\n"
        "        assert inputs.dtype == torch.uint8 and inputs.max() > 15\n        return inputs, targets\n\n"
        "    return augment\n"
    )
    write_parts(tmp_path, seen=seen)
    content = study_content(
        define={"whole": {"augment": "seen:whole"}}, recipe={"epochs": 1, "batch_size": 20, "augment": "whole"}
    )
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    results = run(tmp_path / "study.yaml")
    plain = run(tune_app.build_study(study_content(name="plain")))
    assert results.folds["test_accuracy"].tolist() == plain.folds["test_accuracy"].tolist()


def test_data_without_a_test_part_and_a_stop_by_no_metric_are_refused(tmp_path: Path) -> None:
    path = write_own_study(tmp_path, test="auto")
    with pytest.raises(tune_app.StudyError, match="data tumours: there is no test part; write test: none"):
        run(path)
    content = own_content()
    content["recipe"]["stop"] = {"metric": "macrof1", "patience": 2}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(tune_app.StudyError, match="recipe: stop: unknown metric 'macrof1'; did you mean 'macro_f1'"):
        run(path)
