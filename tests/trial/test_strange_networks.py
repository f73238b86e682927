"""Trials of networks that somebody brings: what they draw at random, and whether they may be stacked."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from tests.builders import scores_of
from tests.trials import CPU, folds_of, run, spec_of
from tune_app import data
from tune_app.engine.randomness import seed_everything
from tune_app.models import MODELS
from tune_app.records import Record, RecordSet
from tune_app.study import TrialSpec
from tune_app.trial import run_trial


def build_spec(model: str, **recipe: Any) -> TrialSpec:
    """A trial of one of the networks of `build_strange`."""
    return spec_of("none", **recipe).model_copy(update={"model": model})


class Noisy(torch.nn.Module):
    """Somebody's layer that draws random numbers where no fold's generator is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x) * 0.1 if self.training else x


class Skipped(torch.nn.Module):
    """Stochastic depth: somebody's layer that asks Python or NumPy whether to do anything."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if self.training and self.draw() < 0.1 else x


class NoisyTest(torch.nn.Module):
    """Somebody's layer that draws random numbers when it is tested."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.training else x + torch.randn_like(x)


class Branching(torch.nn.Module):
    """Somebody's layer that asks for a number, which a stack cannot give."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum().item() > 0 else x


class Leaky(torch.autograd.Function):
    """A gradient that depends on whether there is a stack around it."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0]

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: torch.Tensor) -> Any:
        return x * 1.5, in_dims[0]


class Leaking(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Leaky.apply(x)  # type: ignore[no-any-return]


class Late(torch.nn.Module):
    """Somebody's layer that begins to draw random numbers after some steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        return x + torch.randn_like(x) * 0.1 if self.training and self.steps > 3 else x


def build_strange(layer: str, *, classes: int, **others: Any) -> torch.nn.Sequential:
    kinds: dict[str, Callable[[], torch.nn.Module]] = {
        "noisy": Noisy,
        "noisy-test": NoisyTest,
        "python": lambda: Skipped(lambda: random.random()),
        "numpy": lambda: Skipped(lambda: float(np.random.random_sample())),
        "late": Late,
        "plain": torch.nn.Identity,
        "branching": Branching,
        "leaking": Leaking,
        "alpha": torch.nn.AlphaDropout,
    }
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16), kinds[layer](), torch.nn.Linear(16, classes)
    )


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("noisy", "not stacked: it draws random numbers that are not the fold's own"),
        ("python", "not stacked: it draws random numbers that are not the fold's own"),
        ("numpy", "not stacked: it draws random numbers that are not the fold's own"),
        ("alpha", "not stacked: it draws random numbers that are not the fold's own"),
        ("late", "the stack failed (RuntimeError: vmap: called random operation"),
        ("branching", "not stacked: its step fails in a stack (RuntimeError: vmap"),
        ("leaking", "not stacked: a step in a stack gives another gradient of "),
    ],
)
def test_a_network_that_is_not_shown_to_stack_runs_eagerly_and_says_why(
    digits: data.Data, monkeypatch: pytest.MonkeyPatch, layer: str, reason: str
) -> None:
    monkeypatch.setitem(MODELS._places, layer, (f"{__name__}:build_strange", layer))
    spec = build_spec(layer, engine="stacked")
    everything = run(spec, digits)
    records = folds_of(everything)
    assert [(r.status, r.engine) for r in records] == [("completed", "eager")] * 3
    assert all(r.engine_reason and r.engine_reason.startswith(reason) for r in records), records[0].engine_reason
    alone = folds_of(run(spec, digits, folds=[1]))
    assert alone[0].scores == records[1].scores, "a fold's numbers do not depend on its neighbours"
    eager = RecordSet(run(build_spec(layer, engine="eager"), digits))
    assert list(map(_scores, eager.epochs.values())) == list(map(_scores, RecordSet(everything).epochs.values()))


def _scores(record: Record) -> tuple[int, Mapping[str, float]]:
    return record.fold, record.scores


def _draw_everywhere() -> list[float]:
    return [random.random(), float(np.random.random_sample()), torch.rand(()).item()]


@pytest.mark.parametrize("layer", ["noisy", "python", "numpy"])
def test_random_numbers_drawn_between_records_change_none_and_are_not_changed(
    digits: data.Data, monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    monkeypatch.setitem(MODELS._places, layer, (f"{__name__}:build_strange", layer))
    spec = build_spec(layer)
    undisturbed = scores_of(run(spec, digits))
    seed_everything(5)
    records, drawn = [], []
    for record in run_trial(spec, digits, folds=(0, 1, 2), device=CPU):
        records.append(record)
        drawn.append(_draw_everywhere())
    assert scores_of(records) == undisturbed
    seed_everything(5)
    assert drawn == [_draw_everywhere() for _ in drawn]


def test_a_test_that_draws_random_numbers_does_not_depend_on_the_tests_beside_it(
    digits: data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS._places, "noisy-test", (f"{__name__}:build_strange", "noisy-test"))
    spec = build_spec("noisy-test")
    other = spec.model_copy(update={"protocol": ("test-normalisation",)})
    together = [record.scores for record in folds_of(run(spec, digits, also=[other])) if record.trial == other.id]
    assert together == [record.scores for record in folds_of(run(other, digits))]


def test_a_network_that_was_edited_is_probed_again(digits: data.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = build_spec("edited", engine="stacked")
    engines = []
    for layer in ("plain", "noisy"):
        monkeypatch.setitem(MODELS._places, "edited", (f"{__name__}:build_strange", layer))
        engines.append({record.engine for record in folds_of(run(spec, digits))})
    assert engines == [{"stacked"}, {"eager"}]
