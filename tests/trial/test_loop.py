"""One trial: its records, its independence, its failures."""

import gc
import operator
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from tests.builders import build_study, scores_of
from tune_app import data
from tune_app.engine import EpochScores, fit
from tune_app.engine.cost import build_network_cost, choose_engine, estimate_gpu_bytes
from tune_app.engine.memory import read_peak_memory, reset_peak_memory
from tune_app.engine.stacked import StackedFit, StackedFold
from tune_app.errors import FitError
from tune_app.models import MODELS
from tune_app.records import EpochRecord, FoldRecord, Record, RecordSet, unpack_labels
from tune_app.study import TrialSpec
from tune_app.trial import BestNetwork, run_trial

CPU = torch.device("cpu")


def spec_of(regularizer: str = "dropout+batchnorm", **recipe: Any) -> TrialSpec:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": regularizer, "folds": 3}]
    return build_study(grid=grid, recipe={"epochs": 2, "batch_size": 20} | recipe).grid_trials()[0].spec


def run(spec: TrialSpec, digits: data.Dataset, folds: Sequence[int] = (0, 1, 2), **options: Any) -> list[Record]:
    return list(run_trial(spec, digits, folds=folds, device=CPU, **options))


def test_a_trial_yields_every_epoch_and_every_fold_once(digits: data.Dataset) -> None:
    records = run(spec_of(), digits)
    assert [(r.fold, r.epoch) for r in records if isinstance(r, EpochRecord)] == [
        (f, e) for f in range(3) for e in (1, 2)
    ]
    folds = [r for r in records if isinstance(r, FoldRecord)]
    assert [r.status for r in folds] == ["completed"] * 3
    assert all(r.peak_memory_bytes and r.peak_memory_bytes > 1e6 and r.fit_seconds > 0 for r in folds)


def test_records_are_the_same_whatever_ran_before_and_in_which_order(digits: data.Dataset) -> None:
    straight = scores_of(run(spec_of(), digits))
    run(spec_of("none"), digits)
    torch.manual_seed(12345)
    backward = scores_of(run(spec_of(), digits, (2, 1, 0)))
    assert sorted(map(str, straight)) == sorted(map(str, backward))


def test_folds_start_from_fresh_weights_and_optimizer(digits: data.Dataset) -> None:
    alone = scores_of(run(spec_of(), digits, (1,)))
    assert alone == [record for record in scores_of(run(spec_of(), digits)) if record["fold"] == 1]


def test_conditions_of_a_replicate_share_their_splits_and_replicates_do_not() -> None:
    from tune_app.parts.splits import build_splits
    from tune_app.study.seeds import build_seed

    study = build_study(replicates=2)
    seeds = {t.spec.id: build_seed(t.spec.seed, "split", t.spec.replicate) for t in study.grid_trials()}
    assert len(set(seeds.values())) == 2
    labels = np.arange(50, dtype=np.uint8) % 10
    first, second = (build_splits(labels, 3, "kfold", seed)[0].validation.tolist() for seed in set(seeds.values()))
    assert first != second


def test_recorded_predictions_give_the_recorded_accuracy(digits: data.Dataset) -> None:
    spec = spec_of().model_copy(update={"test_images": None})
    for record in run(spec, digits):
        if isinstance(record, FoldRecord):
            assert record.predictions is not None
            predicted = unpack_labels(record.predictions)
            assert record.scores["test_accuracy"] == (predicted == digits.test_labels).mean()


def test_a_fold_that_fails_is_a_row_with_its_reason(digits: data.Dataset) -> None:
    records = run(spec_of(learning_rate=1e30), digits)
    assert [(r.fold, r.status, r.error_type) for r in records if isinstance(r, FoldRecord)] == [
        (fold, "failed", "FitError") for fold in range(3)
    ]


def test_the_best_network_is_that_of_the_best_epoch(digits: data.Dataset) -> None:
    kept: list[BestNetwork] = []
    spec = spec_of(epochs=4, learning_rate=0.02)
    records = run(spec, digits, keep=kept.append)
    for best in kept:
        accuracies = [
            r.scores["validation_accuracy"]
            for r in records
            if isinstance(r, EpochRecord) and r.fold == best.facts["fold"]
        ]
        assert best.facts["validation_accuracy"] == max(accuracies)
        assert best.facts["epoch"] == 1 + accuracies.index(max(accuracies))
        build = dict(best.build)
        MODELS[build.pop("model")](**build).load_state_dict(best.state)
    assert len(kept) == 3
    assert scores_of(records) == scores_of(run(spec, digits)), "keeping must not change what is measured"


@pytest.mark.parametrize("splitter", ["kfold", "stratified"])
def test_both_splitters_run(digits: data.Dataset, splitter: str) -> None:
    spec = spec_of().model_copy(update={"splitter": splitter})
    assert len(run(spec, digits)) == 9


def folds_of(records: Sequence[Record]) -> list[FoldRecord]:
    return [record for record in records if isinstance(record, FoldRecord)]


def test_a_stacked_trial_gives_the_records_of_an_eager_one(digits: data.Dataset) -> None:
    eager = folds_of(run(spec_of(), digits))
    stacked = folds_of(run(spec_of(engine="stacked"), digits))
    assert [(r.fold, r.engine) for r in eager] == [(fold, "eager") for fold in range(3)]
    assert [(r.fold, r.engine) for r in stacked] == [(fold, "stacked") for fold in range(3)]
    for one, other in zip(eager, stacked, strict=True):
        assert (other.status, other.epochs) == ("completed", one.epochs)
        assert other.scores["test_loss"] == pytest.approx(one.scores["test_loss"], rel=0.02), (
            "float32 in another order, over two epochs"
        )


def test_a_stack_that_memory_does_not_hold_is_halved(digits: data.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_folds_of_a_stack_share_its_time_one_after_the_other(digits: data.Dataset) -> None:
    """Told as starting together they would count as parallel fits."""
    records = folds_of(run(spec_of(engine="stacked"), digits))
    for record, following in pairwise(records):
        assert following.started == pytest.approx(record.started + record.fit_seconds, rel=0, abs=1e-5)


def test_a_stack_that_breaks_costs_no_fit_and_the_records_say_why(
    digits: data.Dataset, monkeypatch: pytest.MonkeyPatch
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


class Noisy(torch.nn.Module):
    """Somebody's layer that draws random numbers where no fold's generator is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x) * 0.1 if self.training else x


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
    kinds = {
        "noisy": Noisy,
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
        ("alpha", "not stacked: it draws random numbers that are not the fold's own"),
        ("late", "the stack failed (RuntimeError: vmap: called random operation"),
        ("branching", "not stacked: its step fails in a stack (RuntimeError: vmap"),
        ("leaking", "not stacked: a step in a stack gives another gradient of "),
    ],
)
def test_a_network_that_is_not_shown_to_stack_runs_eagerly_and_says_why(
    digits: data.Dataset, monkeypatch: pytest.MonkeyPatch, layer: str, reason: str
) -> None:
    monkeypatch.setitem(MODELS._places, layer, (f"{__name__}:build_strange", layer))
    spec = spec_of("none", engine="stacked").model_copy(update={"model": layer})
    everything = run(spec, digits)
    records = folds_of(everything)
    assert [(r.status, r.engine) for r in records] == [("completed", "eager")] * 3
    assert all(r.engine_reason and r.engine_reason.startswith(reason) for r in records), records[0].engine_reason
    alone = folds_of(run(spec, digits, folds=[1]))
    assert alone[0].scores == records[1].scores, "a fold's numbers do not depend on its neighbours"
    eager = RecordSet(run(spec_of("none", engine="eager").model_copy(update={"model": layer}), digits))
    assert list(map(_scores, eager.epochs.values())) == list(map(_scores, RecordSet(everything).epochs.values()))


def _scores(record: Record) -> tuple[int, Mapping[str, float]]:
    return record.fold, record.scores


def test_a_network_that_was_edited_is_probed_again(digits: data.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of("none", engine="stacked").model_copy(update={"model": "edited"})
    engines = []
    for layer in ("plain", "noisy"):
        monkeypatch.setitem(MODELS._places, "edited", (f"{__name__}:build_strange", layer))
        engines.append({record.engine for record in folds_of(run(spec, digits))})
    assert engines == [{"stacked"}, {"eager"}]


def test_a_probe_that_memory_does_not_hold_costs_no_fit(digits: data.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("tune_app.engine.probe.fit_stacked", refuse)
    records = folds_of(run(spec_of(engine="stacked"), digits))
    assert [(r.status, r.engine, r.engine_reason) for r in records] == [
        ("completed", "eager", "not stacked: two folds do not fit into memory")
    ] * 3


def test_a_stack_that_fails_is_gone_from_memory_before_its_folds_run_again(
    digits: data.Dataset, monkeypatch: pytest.MonkeyPatch
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
        network = spec.model, (1, 28, 28), 10, spec.regularizer, spec.width
        return choose_engine(spec, partial(build_network_cost, *network), device)

    assert choose(spec_of(), "cpu") == "eager"
    assert choose(spec_of(), "cuda") == "stacked"
    assert choose(spec_of().model_copy(update={"model": "vgg10", "width": 1.0}), "cuda") == "eager"
    assert choose(spec_of(engine="eager"), "cuda") == "eager"
    assert choose(spec_of(engine="stacked").model_copy(update={"protocol": ("carry-over",)}), "cpu") == "eager"


def test_the_memory_planned_for_a_stack_is_that_of_all_its_folds() -> None:
    cost = build_network_cost("cnn", (1, 28, 28), 10, "none", 1.0)
    eager, stacked = (estimate_gpu_bytes(spec_of("none", engine=engine), cost) for engine in ("eager", "stacked"))
    assert stacked - eager >= 2 * 16 * cost.parameters, "three folds hold their weights three times"
    more_folds = spec_of("none", engine="stacked").model_copy(update={"folds": 10})
    assert estimate_gpu_bytes(more_folds, cost) > stacked


@pytest.mark.parametrize("engine", ["eager", "stacked"])
def test_the_time_that_a_record_is_elsewhere_is_no_training(digits: data.Dataset, engine: str) -> None:
    pause, paused, started = 0.3, 0.0, time.perf_counter()
    seconds = 0.0
    for record in run_trial(spec_of(engine=engine), digits, folds=(0, 1, 2), device=CPU):
        seconds += record.fit_seconds if isinstance(record, FoldRecord) else 0
        time.sleep(pause)
        paused += pause
    assert seconds <= time.perf_counter() - started - paused


def test_a_trial_that_cannot_be_set_up_is_a_failed_row_for_each_fold_and_each_trial(
    digits: data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("the images do not fit")

    monkeypatch.setattr("tune_app.trial.setup.Images", refuse)
    other = spec_of().model_copy(update={"protocol": ("test-normalisation",)})
    records = folds_of(run(spec_of(), digits, also=[other]))
    assert [(r.trial, r.fold, r.status, r.error_type, r.error_message) for r in records] == [
        (trial, fold, "failed", "OutOfMemoryError", "the images do not fit")
        for fold in range(3)
        for trial in (spec_of().id, other.id)
    ]


def test_the_time_of_a_failed_fit_counts_once(digits: data.Dataset) -> None:
    other = spec_of(learning_rate=1e30).model_copy(update={"protocol": ("test-normalisation",)})
    records = folds_of(run(spec_of(learning_rate=1e30), digits, also=[other]))
    assert all((record.fit_seconds > 0) == (record.trial != other.id) for record in records)


def test_the_peak_memory_is_what_was_held_since_the_reset() -> None:
    size = 256 * 2**20
    reset_peak_memory(CPU)
    before = read_peak_memory(CPU)
    torch.ones(size // 4)  # gone at once, but it was the peak
    assert read_peak_memory(CPU) > before + size // 2
    reset_peak_memory(CPU)
    assert read_peak_memory(CPU) < before + size // 2
