"""What a trial takes of a device's memory, and the shares of a GPU that follow."""

import random
from typing import Any

import pytest
import torch
from torch import nn

from tests.builders import build_study
from tune_app.engine.footprint import build_footprint
from tune_app.errors import ResourceError
from tune_app.models import MODELS
from tune_app.parts.catalog import build_catalog
from tune_app.parts.networks import ask_network
from tune_app.plan.makespan import find_slots
from tune_app.plan.memory import build_gpu_share, feed_gpus
from tune_app.session.options import RunOptions
from tune_app.session.planning import Plan, make_plan
from tune_app.study.file import SHIPPED, read_study

GIB = 2**30


def build_plain(**arguments: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.Sigmoid(), nn.Linear(100, 10))


def plan_on(gpus: int, size: float, cpus: int = 64, **changes: Any) -> Plan:
    nodes = [{"CPU": float(cpus), "GPU": float(gpus), "gpu_bytes": size}]
    return make_plan(build_study(**changes), RunOptions(), nodes, measure=False)


def test_saved_activations_are_those_that_the_backward_pass_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS._places, "plain", (f"{__name__}:build_plain",))
    asked = ask_network("plain", (1, 8, 8), 10, regularizer="none", width=1.0)
    held = build_footprint(asked, "adam", True, 20, 50)
    weights = 4 * (64 * 100 + 100 + 100 * 10 + 10)
    assert (held.parameters, held.gradients, held.optimizer) == (weights, weights, 2 * weights)
    # The first layer keeps its input, the sigmoid its output, which the second keeps too, the loss its logarithms.
    assert held.saved == 4 * 20 * (64 + 100 + 10)
    assert build_footprint(asked, "sgd", False, 20, 50).optimizer == 0


def test_twice_the_batch_is_twice_the_activations_and_the_same_weights() -> None:
    asked = ask_network("vgg10", (1, 28, 28), 10, regularizer="dropout+batchnorm", width=0.25)
    one, two = (build_footprint(asked, "adam", True, batch, 100) for batch in (200, 400))
    assert two.parameters == one.parameters
    assert two.saved == pytest.approx(2 * one.saved, rel=0.02)


@pytest.mark.parametrize("size", [16e9, 80e9])
def test_the_conditions_of_the_report_pack_without_overcommitting_a_gpu(size: float) -> None:
    study = read_study(SHIPPED / "report.yaml", catalog=build_catalog())
    plan = make_plan(study, RunOptions(), [{"CPU": 16.0, "GPU": 2.0, "gpu_bytes": size}], measure=False)
    assert len({tuple(trial.spec.condition.values()) for trial in plan}) >= 12
    plan.check_shares()
    most = 0
    for seed in range(20):  # whichever trials happen to lie together on a GPU
        share, memory, count = 0.0, 0.0, 0
        for trial in random.Random(seed).sample(plan.trials, len(plan)):
            assert trial.memory is not None
            if share + trial.share.gpus <= 1:
                share, memory, count = share + trial.share.gpus, memory + trial.memory.total, count + 1
        assert memory <= size
        most = max(most, count)
    assert most > 1, "a share of a GPU is what its trial needs, and no whole one"
    for cpus, gpus in {(trial.share.cpus, trial.share.gpus) for trial in plan}:
        assert find_slots(cpus, gpus, plan.nodes) == find_slots(0, gpus, plan.nodes), "cores feed what the GPUs hold"


def test_shares_are_whole_parts_of_a_gpu() -> None:
    assert build_gpu_share(1 * GIB, 100 * GIB) == 1 / 16
    assert build_gpu_share(30 * GIB, 100 * GIB) == 0.5
    assert build_gpu_share(25 * GIB, 100 * GIB) == 0.3333
    assert build_gpu_share(200 * GIB, 100 * GIB) == 1


def test_cores_never_keep_trials_from_a_gpu_that_holds_them() -> None:
    assert feed_gpus(0.25, cpus=2, gpus=1) == 0.5
    assert feed_gpus(1.0, cpus=2, gpus=8) == 0.25
    assert feed_gpus(0.5, cpus=64, gpus=1) == 1, "a trial takes no more than one core"


def test_a_request_for_cores_that_leaves_gpus_idle_is_said() -> None:
    nodes = [{"CPU": 2.0, "GPU": 1.0, "gpu_bytes": 80e9}]
    plan = make_plan(build_study(), RunOptions(cpus_per_trial=1.0), nodes, measure=False)
    assert "hold 16 trials of 0.0625 GPUs at once, and the cores allow 2 of 1 CPUs" in " ".join(
        plan.describe_forecast()
    )
    assert "the cores allow" not in " ".join(make_plan(build_study(), RunOptions(), nodes).describe_forecast())


def test_a_share_that_cannot_hold_the_network_is_refused_before_the_start() -> None:
    entry = {"model": "vgg18", "regularizer": "none", "folds": 3, "gpus_per_trial": 0.01}
    with pytest.raises(
        ResourceError, match=r"needs about 3\.\d GiB of a GPU, and its share of 0.01 holds 0.1 GiB; give"
    ):
        plan_on(1, 16e9, grid=[entry], recipe={"engine": "eager"}).check_shares()
    whole = entry | {"gpus_per_trial": 1}
    with pytest.raises(ResourceError, match="no GPU here has that; lower the batch size or the width"):
        plan_on(1, 2e9, grid=[whole], recipe={"engine": "eager"}).check_shares()
    plan_on(1, 16e9, grid=[whole], recipe={"engine": "eager"}).check_shares()


def test_data_that_a_share_does_not_hold_stay_in_the_hosts_memory_and_the_plan_says_so() -> None:
    changes: dict[str, Any] = {"data": {"name": "mnist"}, "recipe": {"engine": "eager", "batch_size": 20}}
    entry = {"model": "cnn", "width": 0.05, "folds": 3, "gpus_per_trial": 1}
    roomy, tight = (plan_on(1, size, grid=[entry], **changes) for size in (16e9, 1.02e9))
    assert [trial.data_on_host for trial in (*roomy, *tight)] == [False, True]
    assert "their share of a GPU cannot hold it" in " ".join(tight.describe_forecast())
    tight.check_shares()


def test_a_step_that_needs_numbers_has_no_predicted_memory_and_a_plan_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class InTraining(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if self.training and x.sum().item() > 0 else x

    monkeypatch.setattr(
        f"{__name__}.build_plain", lambda **_: nn.Sequential(nn.Flatten(), InTraining(), nn.Linear(64, 10))
    )
    monkeypatch.setitem(MODELS._places, "plain", (f"{__name__}:build_plain",))
    (trial,) = make_plan(build_study(grid=[{"model": "plain", "regularizer": "none", "folds": 2}]), RunOptions())
    assert trial.memory is None
