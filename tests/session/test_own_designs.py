"""Ablation designs and several data sets in a study of a user's own."""

import io
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console

import tune_app
from tests.calls import run
from tests.session.own_parts import own_content, write_parts
from tune_app.grid import main
from tune_app.session.calls import build_plan

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_a_component_whose_sides_compute_the_same_is_refused_before_anything_starts(tmp_path: Path) -> None:
    nets = (
        "from torch import nn\n\n\n"
        "def build_net(idle: str = 'a', norm: str = 'none', *, inputs, outputs):\n"
        "    norms = [nn.BatchNorm1d(inputs[0])] if norm == 'batch' else []\n"
        "    return nn.Sequential(*norms, nn.Linear(inputs[0], outputs))\n"
    )
    write_parts(tmp_path, nets=nets)
    components = {"idle": {"with": "a", "without": "b"}, "norm": {"with": "batch", "without": "none"}}
    grid = [{"model": "net", "folds": 3, "design": "leave-one-out", "components": components}]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(own_content(grid=grid)))
    with pytest.raises(tune_app.StudyError, match="component idle: with and without compute the same") as error:
        run(tmp_path / "study.yaml")
    assert "component norm" not in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_the_plan_of_a_fractional_design_says_which_effects_it_cannot_tell_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parts(tmp_path)
    components = {
        "norm": {"with": "batch", "without": "none"},
        "augment": {"with": "jitter", "without": "none"},
        "size": {"with": {"width": 16}, "without": {"width": 4}},
    }
    for design, resolution, told in (("fractional", 3, 3), ("factorial", 4, 0)):
        entry = {"model": "net", "folds": 3, "design": design, "resolution": resolution, "components": components}
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(own_content(grid=[entry])))
        plan = build_plan(path)
        assert main([str(path), "--check", "--device", "cpu"]) == 0
        assert ("- grid, entry 1: norm is aliased with augment:size\n" in capsys.readouterr().out) == bool(told)
        assert len(plan.find_aliases()) == told
        console = Console(width=200, record=True, file=io.StringIO())
        console.print(plan)
        text = console.export_text()
        assert ("- grid, entry 1: norm is aliased with augment:size" in text) == bool(told)
        assert ("A fractional design cannot tell these effects apart:" in text) == bool(told)
        assert ("norm is aliased with augment:size" in plan._repr_html_()) == bool(told)


def test_designs_are_in_the_results_and_sum_to_what_the_full_system_gains(tmp_path: Path) -> None:
    write_parts(tmp_path)
    components = {"norm": {"with": "batch", "without": "none"}, "augment": {"with": "jitter", "without": "none"}}
    grid = [{"model": "net", "folds": 3, "design": "factorial", "components": components}]
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(own_content(grid=grid)))
    run(path)
    designs = pd.read_csv("results/own/designs.csv")
    shapley = designs[designs["family"] == "shapley"]["estimate"]
    (total,) = designs[designs["family"] == "total"]["estimate"]
    assert shapley.sum() == pytest.approx(total)
    assert "What each component does" in Path("results/own/index.html").read_text()


@pytest.mark.slow
def test_over_several_data_sets_contrasts_stay_within_each_and_wins_are_counted(tmp_path: Path) -> None:
    write_parts(tmp_path)
    define = {"wines": {"data": "bundled", "name": "wine"}, "irises": {"data": "bundled", "name": "iris"}}
    content = own_content(
        define=define | {"net": {"model": "nets:build_net"}},
        data=["wines", "irises"],
        splitter="stratified",
        metrics={"primary": "macro_f1"},
        recipe={"epochs": 10, "batch_size": 16, "learning_rate": 0.02},
        grid=[{"model": "net", "folds": 3, "width": [4, 16]}],
    )
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    results = run(path)
    assert set(results.contrasts["differs"]) == {"width: 4 → 16"}
    assert set(results.contrasts["data"]) == {"wines", "irises"}
    frame = pd.read_csv("results/own/data_sets.csv").set_index("condition")
    row = frame.loc["width 16"]
    assert row["wins"] + row["ties"] + row["losses"] == 2
    assert "no test over data sets is given under five" in row["reason"]
