"""A trial whose folds train in one stack, and what makes it train them one after the other instead."""

import gc
import operator
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch

from tests.trials import folds_of, run, spec_of
from tune_app import data
from tune_app.engine import EpochScores, fit
from tune_app.engine.cost import build_network_cost, choose_engine
from tune_app.engine.stacked import StackedFit, StackedFold
from tune_app.errors import FitError
from tune_app.parts.networks import ask_network, choose_network
from tune_app.parts.sources import describe_shipped
from tune_app.plan.memory import build_memory, stack_memory
from tune_app.records import RecordSet
from tune_app.study import TrialSpec


def test_a_stacked_trial_gives_the_records_of_an_eager_one(digits: data.Data) -> None:
    eager = folds_of(run(spec_of(), digits))
    stacked = folds_of(run(spec_of(engine="stacked"), digits))
    assert [(r.fold, r.engine) for r in eager] == [(fold, "eager") for fold in range(3)]
    assert [(r.fold, r.engine) for r in stacked] == [(fold, "stacked") for fold in range(3)]
    for one, other in zip(eager, stacked, strict=True):
        assert (other.status, other.epochs) == ("completed", one.epochs)
        assert other.scores["test_loss"] == pytest.approx(one.scores["test_loss"], rel=0.02), (
            "float32 in another order, over two epochs"
        )


@pytest.mark.slow
def test_a_stack_that_memory_does_not_hold_is_halved(digits: data.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def stack_alone(folds: Sequence[StackedFold], *others: Any) -> Any:
        sizes.append(len(folds))
        gc.collect()
        assert not any(network() for network in too_large), "what did not fit must be gone before the next try"
        if len(folds) > 1:
            too_large.append(weakref.ref(folds[0].network))
            raise torch.OutOfMemoryError("out of memory")
        return StackedFit(folds, *others)

    too_large: list[weakref.ref[torch.nn.Module]] = []
    monkeypatch.setattr("tune_app.trial.loop.StackedFit", stack_alone)
    records = folds_of(run(spec_of(engine="stacked"), digits))
    assert sizes == [3, 1, 2, 1, 1]
    assert [(r.fold, r.status) for r in records] == [(fold, "completed") for fold in range(3)]


def test_the_folds_of_a_stack_share_its_time_one_after_the_other(digits: data.Data) -> None:
    """Told as starting together they would count as parallel fits."""
    records = folds_of(run(spec_of(engine="stacked"), digits))
    for record, following in pairwise(records):
        assert following.started == pytest.approx(record.started + record.fit_seconds, rel=0, abs=1e-5)


def test_a_stack_that_breaks_costs_no_fit_and_the_records_say_why(
    digits: data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BreaksDown(StackedFit):
        def run(self) -> Iterator[tuple[int, EpochScores | FitError]]:
            yield next(super().run())
            raise RuntimeError("no batching rule")

    monkeypatch.setattr("tune_app.trial.loop.StackedFit", BreaksDown)
    records = RecordSet(run(spec_of(engine="stacked"), digits))
    eager = RecordSet(run(spec_of(engine="eager"), digits))
    assert len(records.folds) == 3
    for record in records.folds.values():
        assert (record.status, record.engine) == ("completed", "eager")
        assert record.engine_reason == "the stack failed (RuntimeError: no batching rule)"
    for kind in ("folds", "epochs"):
        ours, theirs = (list(getattr(each, kind).values()) for each in (records, eager))
        key = operator.attrgetter("scores")
        assert sorted(map(str, map(key, ours))) == sorted(map(str, map(key, theirs)))


def test_a_probe_that_memory_does_not_hold_costs_no_fit(digits: data.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("tune_app.engine.probe.fit_stacked", refuse)
    records = folds_of(run(spec_of(engine="stacked"), digits))
    assert [(r.status, r.engine, r.engine_reason) for r in records] == [
        ("completed", "eager", "not stacked: two folds do not fit into memory")
    ] * 3


def test_a_stack_that_fails_is_gone_from_memory_before_its_folds_run_again(
    digits: data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks: list[weakref.ref[StackedFit]] = []

    class BreaksDown(StackedFit):
        def run(self) -> Iterator[tuple[int, EpochScores | FitError]]:
            stacks.append(weakref.ref(self))
            yield next(super().run())
            raise torch.OutOfMemoryError("out of memory")

    def fit_alone(*arguments: Any, **options: Any) -> Iterator[EpochScores]:
        gc.collect()
        held.append(stacks[0]() is not None)
        return fit(*arguments, **options)

    held: list[bool] = []
    monkeypatch.setattr("tune_app.trial.loop.StackedFit", BreaksDown)
    monkeypatch.setattr("tune_app.trial.loop.fit", fit_alone)
    records = folds_of(run(spec_of(engine="stacked"), digits))
    assert [record.status for record in records] == ["completed"] * 3
    assert held == [False] * 3


def test_auto_is_eager_on_a_cpu_and_stacks_what_leaves_a_gpu_waiting() -> None:
    def choose(spec: TrialSpec, device: str) -> str:
        network = choose_network(spec, describe_shipped("mnist"))
        return choose_engine(spec, partial(build_network_cost, network), device)

    assert choose(spec_of(), "cpu") == "eager"
    assert choose(spec_of(), "cuda") == "stacked"
    wide = spec_of().arguments | {"width": 1.0}
    assert choose(spec_of().model_copy(update={"model": "vgg10", "arguments": wide}), "cuda") == "eager"
    assert choose(spec_of(engine="eager"), "cuda") == "eager"
    assert choose(spec_of(engine="stacked").model_copy(update={"protocol": ("carry-over",)}), "cpu") == "eager"


def test_the_memory_planned_for_a_stack_is_that_of_all_its_folds() -> None:
    facts, spec = describe_shipped("mnist"), spec_of("none")
    network = ask_network("cnn", (1, 28, 28), 10)
    memory = build_memory(spec, network, facts, (1000, 100), on_gpu=True)
    three, ten = stack_memory(memory, 3), stack_memory(memory, 10)
    assert three.parameters == 3 * memory.parameters, "three folds hold their weights three times"
    assert ten.total > three.total > memory.total
