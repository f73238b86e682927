"""The study that `tune-grid init` writes: whole or not at all, and made of parts that work."""

import importlib.util
import inspect
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.utils.data import DataLoader

import tune_app
from tune_app.records import write_whole
from tune_app.session import scaffold
from tune_app.session.scaffold import write_scaffold
from tune_app.study import Study
from tune_app.study.file import build_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("studies") / "my first study"
    write_scaffold(written)
    return written


def import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"written_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What the tool reads from build_net's signature; that it is so stands in a test below.
NET = {
    "arguments": [
        {"name": "width", "kind": "integer", "default": 16},
        {"name": "norm", "kind": "text", "choices": ["none", "batch"], "default": "none"},
    ],
    "filled": ["inputs", "outputs"],
}


def read_written(study: Path) -> Study:
    content = yaml.safe_load(study.read_text())
    return build_study({**content, "signatures": {"net": NET, "digits_by_writer": {}}})


def read_grid(folder: Path) -> dict[str, Any]:
    (entry,) = yaml.safe_load((folder / "study.yaml").read_text())["grid"]
    return dict(entry)


def test_a_study_a_network_and_a_loader_are_written_and_nothing_else(tmp_path: Path) -> None:
    paths = write_scaffold(tmp_path / "outer" / "lesions")
    assert [path.name for path in paths] == ["study.yaml", "nets.py", "load.py"]
    assert sorted((tmp_path / "outer" / "lesions").iterdir()) == sorted(paths)
    for path in paths[1:]:
        compile(path.read_text(), path, "exec")


def test_the_study_is_valid_and_says_what_it_is_meant_to(folder: Path) -> None:
    study = read_written(folder / "study.yaml")
    assert study.name == "my-first-study"
    assert (study.splitter, study.test, study.metrics.primary) == ("stratified", "none", "macro_f1")
    assert study.metrics.also == ("accuracy", "log_loss")
    recipe = study.recipe
    assert (recipe.optimizer, recipe.epochs, recipe.batch_size, recipe.schedule) == ("adamw", 10, 64, "cosine")
    conditions = {(dict(spec.condition)["width"], dict(spec.condition)["norm"]) for (spec, *_) in study.conditions()}
    assert conditions == set(itertools.product((8, 16), ("none", "batch")))
    assert {part.reference for part in study.define.values()} == {"load:load", "nets:build_net"}
    assert study.data.name in study.define


@pytest.mark.parametrize(("name", "expected"), [("2024", "2024"), ("null", "null"), ("äö", "my_study"), ("a b", "a-b")])
def test_the_study_is_called_as_the_folder_is_where_a_name_allows_it(tmp_path: Path, name: str, expected: str) -> None:
    study, *_ = write_scaffold(tmp_path / name)
    assert read_written(study).name == expected


def test_the_loader_gives_digits_with_a_group_for_each_of_13_writers(folder: Path) -> None:
    data = import_file(folder / "load.py").load()
    assert isinstance(data, tune_app.Data)
    assert (data.inputs.shape, data.task, data.outputs) == ((1797, 1, 8, 8), "classification", 10)
    assert (data.inputs.dtype.name, data.targets.dtype.name) == ("float32", "int64")
    assert set(data.targets.tolist()) == set(range(data.outputs))
    assert np.isfinite(data.inputs).all()
    assert data.groups["writer"].shape == (1797,)
    assert len(set(data.groups["writer"].tolist())) == 13
    for position in (0, 700, 1796):
        assert len(np.unique(data.targets[data.groups["writer"] == data.groups["writer"][position]])) == 10


def test_every_condition_of_the_grid_is_a_network_of_the_right_shape(folder: Path) -> None:
    build_net = import_file(folder / "nets.py").build_net
    grid = read_grid(folder)
    for width, norm in itertools.product(grid["width"], grid["norm"]):
        network = build_net(width, norm, inputs=(1, 8, 8), outputs=10)
        assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
        assert any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()) == (norm == "batch")
    assert build_net(inputs=(3, 33, 20), outputs=2)(torch.zeros(5, 3, 33, 20)).shape == (5, 2)


def test_the_grid_names_arguments_of_the_network_and_levels_that_they_may_have(folder: Path) -> None:
    signature = inspect.signature(import_file(folder / "nets.py").build_net)
    factors = set(read_grid(folder)) - {"model", "folds"}
    assert factors == set(signature.parameters) - {"inputs", "outputs"}
    width, norm = (signature.parameters[name] for name in ("width", "norm"))
    assert (width.annotation, width.default, norm.default) == (int, 16, "none")
    assert get_args(norm.annotation) == ("none", "batch")


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_network_learns_the_digits_with_the_studys_recipe(folder: Path, norm: str) -> None:
    torch.manual_seed(0)
    data, recipe = import_file(folder / "load.py").load(), read_written(folder / "study.yaml").recipe
    inputs, targets = torch.from_numpy(data.inputs), torch.from_numpy(data.targets)
    network = import_file(folder / "nets.py").build_net(8, norm, inputs=(1, 8, 8), outputs=data.outputs)
    train, held_out = torch.randperm(len(data)).tensor_split([1437])
    inputs = (inputs - inputs[train].mean()) / inputs[train].std()
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate)
    for _ in range(recipe.epochs):
        for batch in DataLoader(train, recipe.batch_size, shuffle=True):  # type: ignore[arg-type]
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(network(inputs[batch]), targets[batch]))
            optimizer.step()
    network.eval()
    assert (network(inputs[held_out]).argmax(1) == targets[held_out]).float().mean() > 0.93


def test_a_folder_that_holds_something_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "nets.py", "z.py"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(tune_app.StudyError, match=r"holds a\.py, b\.py, nets\.py and 1 more; .* new or empty folder"):
        write_scaffold(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("a.py", "b.py", "nets.py", "z.py"), "mine"
    )
    with pytest.raises(tune_app.StudyError, match="is a file"):
        write_scaffold(tmp_path / "a.py")
    with pytest.raises(tune_app.StudyError, match="Not a directory"):
        write_scaffold(tmp_path / "a.py" / "below")


def test_a_fresh_repository_and_the_current_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    study, *_ = write_scaffold(Path())
    assert study.is_file()
    assert read_written(study).name == tmp_path.name


@pytest.mark.parametrize(
    ("error", "shown"), [(OSError(28, "No space left"), tune_app.StudyError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_failure_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, shown: type[BaseException]
) -> None:
    write = write_whole

    def fail_at_the_last(path: Path, text: str) -> None:
        if path.name == "load.py":
            raise error
        write(path, text)

    monkeypatch.setattr(scaffold, "write_whole", fail_at_the_last)
    with pytest.raises(shown):
        write_scaffold(tmp_path / "outer" / "study")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    with pytest.raises(shown):
        write_scaffold(tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == [], "the folder was there before"


def test_writing_takes_neither_torch_nor_scikit_learn_along(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tune_app.session.scaffold import write_scaffold; "
        f"write_scaffold(Path({str(tmp_path / 'new')!r})); print({{'torch', 'sklearn', 'ray'}} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.strip() == "set()", done.stderr
