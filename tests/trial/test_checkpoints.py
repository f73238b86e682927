"""Long fits that are interrupted: they go on after their last epoch, with the numbers of an undisturbed one."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import scores_of
from tests.trials import CPU, defective_spec_of, epochs_of, folds_of, read_until, run, spec_of
from tune_app import data
from tune_app.engine.fit import Training
from tune_app.records import Record
from tune_app.study import TrialSpec
from tune_app.study.define import Definition
from tune_app.trial import BestNetwork, Checkpointer, run_trial
from tune_app.trial.keeper import CarriedStates, KeptCheckpoints


@pytest.fixture
def kept(tmp_path: Path) -> KeptCheckpoints:
    return KeptCheckpoints(tmp_path / "checkpoints")


@pytest.fixture(autouse=True)
def _each_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little time it takes."""
    monkeypatch.setattr("tune_app.trial.checkpoint.MOST_SHARE", float("inf"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each epoch that is trained."""
    epochs: list[int] = []
    run_epoch = Training.run_epoch

    def count(self: Training, order: torch.Tensor) -> Any:
        epochs.append(1)
        return run_epoch(self, order)

    monkeypatch.setattr(Training, "run_epoch", count)
    return epochs


def interrupt(
    spec: TrialSpec, digits: data.Data, kept: KeptCheckpoints, epoch: int, fold: int = 0, **options: Any
) -> list[Record]:
    """Run the trial until that epoch is recorded, and again with what was kept; the records of the second run."""
    checkpointer = Checkpointer(kept, "here")
    folds = range(fold, 3)
    first = run_trial(spec, digits, folds=folds, device=CPU, checkpointer=checkpointer, **options)
    read_until(first, fold, epoch)
    return run(spec, digits, tuple(folds), checkpointer=checkpointer, **options)


RECIPES = {
    "Adam and dropout": {},
    "a schedule and augmentation": {"schedule": "cosine", "augment": "noise", "optimizer": "sgd", "momentum": 0.9},
    "a scale of gradients": {"precision": "fp16"},
    "early stopping": {"patience": 2, "epochs": 7},
    "clipped gradients": {"clip_norm": 1.0, "optimizer": "rmsprop"},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_an_interrupted_fit_has_the_records_of_an_undisturbed_one(
    digits: data.Data, kept: KeptCheckpoints, trained: list[int], recipe: dict[str, Any]
) -> None:
    spec = spec_of(**({"epochs": 4} | recipe))
    undisturbed = run(spec, digits)
    trained.clear()
    again = interrupt(spec, digits, kept, epoch=3)
    assert scores_of(again) == scores_of(undisturbed)
    assert len(trained) == len(epochs_of(undisturbed)) + 1, "epoch 3 alone was trained twice"
    reasons = [record.engine_reason for record in folds_of(again)]
    assert reasons == ["interrupted after epoch 2 and taken up there", None, None]


def test_a_fit_counts_the_seconds_of_all_its_parts(digits: data.Data, kept: KeptCheckpoints) -> None:
    spec = spec_of(epochs=4)
    first, *_ = folds_of(again := interrupt(spec, digits, kept, epoch=4))
    assert first.fit_seconds >= sum(record.seconds for record in epochs_of(again) if record.fold == 0)


def test_folds_that_are_joined_go_on_too(
    digits: data.Data, kept: KeptCheckpoints, trained: list[int], tmp_path: Path
) -> None:
    spec = defective_spec_of("carry-over")
    undisturbed = run(spec, digits)
    trained.clear()
    carrier = CarriedStates(tmp_path / "carried")
    checkpointer = Checkpointer(kept, "here")
    options: dict[str, Any] = {"carrier": carrier, "checkpointer": checkpointer}
    first = read_until(run_trial(spec, digits, folds=(0, 1, 2), device=CPU, **options), 1, 2)
    again = run(spec, digits, (1, 2), **options)
    assert scores_of([*first[:3], *again]) == scores_of(undisturbed)
    assert len(trained) == len(epochs_of(undisturbed)) + 1


def test_the_network_that_is_kept_is_the_best_of_all_epochs(digits: data.Data, kept: KeptCheckpoints) -> None:
    spec = spec_of(epochs=5, learning_rate=0.02)
    straight: list[BestNetwork] = []
    run(spec, digits, keep=straight.append)
    best: list[BestNetwork] = []
    interrupt(spec, digits, kept, epoch=5, keep=best.append)
    for one, other in zip(straight, best, strict=True):
        assert one.facts == other.facts
        assert all(torch.equal(tensor, other.state[name]) for name, tensor in one.state.items())


def test_trials_that_share_a_training_are_recorded_again_with_it(digits: data.Data, kept: KeptCheckpoints) -> None:
    spec = spec_of(epochs=3)
    also = [spec.model_copy(update={"protocol": ("test-normalisation",)})]
    assert scores_of(interrupt(spec, digits, kept, epoch=3, also=also)) == scores_of(run(spec, digits, also=also))


def test_another_environments_or_datas_checkpoint_is_left_aside_with_a_word(
    digits: data.Data, kept: KeptCheckpoints, trained: list[int]
) -> None:
    spec = spec_of(epochs=3)
    undisturbed = run(spec, digits, (0,))
    read_until(run_trial(spec, digits, folds=(0,), device=CPU, checkpointer=Checkpointer(kept, "here")), 0, 3)
    content = kept.read(spec.id, 0)
    assert content is not None
    head, _, body = content.partition(b"\n")
    for name, told in json.loads(head).items():
        if name != "checksum":
            other = json.dumps(json.loads(head) | {name: {"data": "0"} if isinstance(told, dict) else "other"})
            kept.write(spec.id, 0, other.encode() + b"\n" + body)
            trained.clear()
            records = run(spec, digits, (0,), checkpointer=Checkpointer(kept, "here"))
            assert scores_of(records) == scores_of(undisturbed)
            assert len(trained) == 3
            assert folds_of(records)[0].engine_reason == f"begun anew, as its checkpoint is that of another {name}"


@pytest.mark.parametrize("damage", ["nothing", "cut", "flipped", "a list", "text"])
def test_a_damaged_checkpoint_is_left_aside_with_a_word(digits: data.Data, kept: KeptCheckpoints, damage: str) -> None:
    spec = spec_of(epochs=3)
    checkpointer = Checkpointer(kept, "here")
    read_until(run_trial(spec, digits, folds=(0,), device=CPU, checkpointer=checkpointer), 0, 3)
    content = kept.read(spec.id, 0)
    assert content is not None
    flipped = bytearray(content)
    flipped[-2000] ^= 1
    texts = {"nothing": b"", "cut": content[:-100], "flipped": bytes(flipped), "a list": b"[]\n", "text": b"no\n"}
    kept.write(spec.id, 0, texts[damage])
    records = run(spec, digits, (0,), checkpointer=checkpointer)
    assert scores_of(records) == scores_of(run(spec, digits, (0,)))
    assert folds_of(records)[0].engine_reason == "begun anew, as its checkpoint is damaged"


def test_nothing_that_a_checkpoint_pickles_is_run(digits: data.Data, kept: KeptCheckpoints, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    spec, checkpointer = spec_of(epochs=3), Checkpointer(kept, "here")
    read_until(run_trial(spec, digits, folds=(0,), device=CPU, checkpointer=checkpointer), 0, 3)
    content = io.BytesIO()
    torch.save({"loop": Hostile()}, content)
    told = json.loads((kept.read(spec.id, 0) or b"").partition(b"\n")[0])
    told["checksum"] = hashlib.blake2b(content.getvalue(), digest_size=16).hexdigest()
    kept.write(spec.id, 0, json.dumps(told).encode() + b"\n" + content.getvalue())
    records = run(spec, digits, (0,), checkpointer=checkpointer)
    assert not (tmp_path / "ran").exists()
    assert (folds_of(records)[0].engine_reason or "").startswith("begun anew, as its checkpoint cannot be read")
    assert scores_of(records) == scores_of(run(spec, digits, (0,)))


def test_a_checkpoint_is_deleted_once_its_fit_is_recorded(digits: data.Data, kept: KeptCheckpoints) -> None:
    for record in run_trial(spec_of(), digits, folds=(0, 1), device=CPU, checkpointer=Checkpointer(kept, "here")):
        kept.forget(record)
    assert list(kept.folder.iterdir()) == []


def test_a_disk_that_takes_no_more_costs_the_checkpoint_alone(digits: data.Data, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where a folder should be")
    checkpointer = Checkpointer(KeptCheckpoints(tmp_path / "checkpoints"), "here")
    assert scores_of(run(spec_of(), digits, checkpointer=checkpointer)) == scores_of(run(spec_of(), digits))


def test_where_nobody_keeps_checkpoints_fits_go_on(digits: data.Data, caplog: pytest.LogCaptureFixture) -> None:
    class Gone:
        def read(self, trial: str, fold: int) -> bytes | None:
            raise RuntimeError("the actor is dead")

        def write(self, trial: str, fold: int, content: bytes) -> None:
            raise RuntimeError("the actor is dead")

    records = run(spec_of(), digits, checkpointer=Checkpointer(Gone(), "here"))
    assert scores_of(records) == scores_of(run(spec_of(), digits))
    assert "not kept between epochs: RuntimeError: the actor is dead" in caplog.text


NETS = """
import random
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Count:
    steps: int = 0


class Warming(nn.Module):
    \"\"\"Its outputs depend on its calls so far, on a generator of its own, on a list and on Python's numbers.\"\"\"

    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.count = Count()
        self.noise = torch.Generator().manual_seed(3)
        self.seen = []
        self.act = torch.relu
        self.register_buffer("mean", torch.zeros(()), persistent=False)

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.count.steps += 1
            self.seen.append(float(x.mean()))
            self.mean = 0.9 * self.mean + 0.1 * x.mean()
            x = x + 0.1 * torch.randn(x.shape, generator=self.noise) * random.random()
        return self.act(self.layer(x)) * (1 + 1 / (1 + self.count.steps)) + self.mean + sum(self.seen) / 1000


class Hidden(Warming):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.numbers = random.Random(1)


def build_warming(*, inputs, outputs):
    return Warming(inputs[0] * inputs[1] * inputs[2], outputs)


def build_hidden(*, inputs, outputs):
    return Hidden(inputs[0] * inputs[1] * inputs[2], outputs)
"""


def build_own_spec(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialSpec:
    module = f"nets_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = {"net": Definition.model_validate({"model": f"{module}:{name}"})}
    return spec_of("none", epochs=4).model_copy(update={"model": "net", "definitions": own, "arguments": {}})


def test_what_a_users_network_holds_besides_its_weights_is_kept(
    digits: data.Data, kept: KeptCheckpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[int]
) -> None:
    spec = build_own_spec("build_warming", tmp_path, monkeypatch)
    undisturbed = run(spec, digits)
    trained.clear()
    assert scores_of(interrupt(spec, digits, kept, epoch=3)) == scores_of(undisturbed)
    assert len(trained) == len(epochs_of(undisturbed)) + 1


def test_a_network_with_a_state_that_cannot_be_kept_begins_anew(
    digits: data.Data,
    kept: KeptCheckpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spec = build_own_spec("build_hidden", tmp_path, monkeypatch)
    assert scores_of(interrupt(spec, digits, kept, epoch=3)) == scores_of(run(spec, digits))
    assert "Hidden.numbers is a Random, whose state is not known" in caplog.text
    assert kept.read(spec.id, 0) is None
