"""A real fit of a few steps on made-up samples, timed: what a plan's counted seconds are held against."""

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tune_app.engine.defects import prepare_training
from tune_app.engine.fit import build_optimizer, fit
from tune_app.engine.images import Images, Normalisation
from tune_app.engine.objective import Objective
from tune_app.engine.randomness import GlobalRandomness
from tune_app.engine.rewrite import build_rewritten
from tune_app.parts.networks import Network
from tune_app.study import Recipe, TrialSpec

LIMIT_SECONDS = 1.0  # of steps that are timed, once the first is through
LONGEST_STEP = 3.0  # seconds that are expected; of a longer one a part of the batch is timed
EPOCH_SECONDS = 0.04  # shorter ones would time the loop around the steps
MOST_EPOCHS = 9
MOST_STEPS = 16
OWN = ("adam", "adamw", "sgd")
KEPT = ("batch_size", "precision", "momentum", "weight_decay", "clip_norm")  # what a step's time depends on


@dataclass(frozen=True)
class Timing:
    """Seconds of a step on `batch` samples and of scoring `scored` of them, medians; of drawing the weights, once."""

    batch: int
    step: float
    scored: int
    scoring: float
    setup: float


def time_fit(
    spec: TrialSpec,
    asked: Network,
    scored: int,
    device: torch.device,
    *,
    expected: float,
    threads: int = 1,
    company: int = 0,
) -> Timing:
    """Time the trial's network on the device; `expected` are the seconds that a step is thought to take.

    `company` is how many other cores are kept busy meanwhile, as they will be in the study. Global generators are where
    they were afterwards. Raises ValueError for what is no network, and whatever the network raises.
    """
    randomness, threads_before = GlobalRandomness(), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with _busy(company):
            return _time(spec, asked, scored, device, expected)
    finally:
        torch.set_num_threads(threads_before)
        randomness.restore()


def _time(spec: TrialSpec, asked: Network, scored: int, device: torch.device, expected: float) -> Timing:
    started = time.perf_counter()
    network = asked.build()
    if not isinstance(network, nn.Module):
        raise ValueError(f"{asked.model} is no network")
    network = prepare_training(network.to(device), spec.protocol, spec.batch_slices)
    rewritten = build_rewritten(network, torch.Generator(device).manual_seed(0))
    setup = time.perf_counter() - started
    batch = max(1, min(spec.recipe.batch_size, int(spec.recipe.batch_size * LONGEST_STEP / max(expected, 1e-9))))
    steps = min(MOST_STEPS, max(1, int(EPOCH_SECONDS / max(expected, 1e-9))))
    recipe = _build_recipe(spec, batch)
    samples = max(batch * steps, scored)
    images = _make_images(asked, samples, device)
    places = torch.arange(samples, device=device)
    optimizer = build_optimizer(rewritten, recipe)
    order = rewritten, optimizer, images, places[: batch * steps], places[:scored], recipe
    trained, validated = [], []
    begun, ran = 0.0, 0.0
    for scores in fit(*order, shuffle_seed=0, objective=Objective(asked.task)):
        if scores.epoch == 1:  # libraries choose their kernels, allocators take their memory
            begun, ran = time.perf_counter(), time.thread_time()
            continue
        in_steps = batch * steps / scores.samples_per_second
        trained.append(in_steps / steps)
        validated.append(scores.seconds - in_steps)
        if time.perf_counter() - begun > LIMIT_SECONDS:
            break
    # What others took of this core meanwhile is no time of the network's: they may be gone when the study runs.
    # (This thread waits for its own company, too, where it has some.)
    is_alone = device.type == "cpu" and torch.get_num_threads() == 1
    share = min(1.0, (time.thread_time() - ran) / (time.perf_counter() - begun)) if is_alone else 1.0
    step, scoring = statistics.median(trained) * share, max(0.0, statistics.median(validated)) * share
    return Timing(batch, step, scored, scoring, setup)


def _build_recipe(spec: TrialSpec, batch: int) -> Recipe:
    kept = {name: getattr(spec.recipe, name) for name in KEPT} | {"batch_size": batch, "epochs": MOST_EPOCHS}
    own = spec.recipe.optimizer if spec.recipe.optimizer in OWN else "adam"
    return Recipe().model_copy(update=kept | {"optimizer": own, "learning_rate": 1e-9})  # no step may diverge


def _make_images(asked: Network, samples: int, device: torch.device) -> Images:
    inputs: NDArray[Any]
    targets: NDArray[Any]
    numbers, shape = np.random.default_rng(0), (samples, *asked.shape)
    normalisation = Normalisation((0.0,) * asked.shape[0], (1.0,) * asked.shape[0])
    if asked.codes:
        inputs, normalisation = np.zeros(shape, np.int64), Normalisation((), ())
    elif len(asked.shape) > 1:
        inputs = numbers.integers(0, 256, shape, np.uint8)
    else:
        inputs = numbers.standard_normal(shape, np.float32)
    is_class = asked.task == "classification"
    if is_class:
        targets = numbers.integers(0, asked.outputs, samples)
    elif asked.task == "multilabel":
        targets = numbers.integers(0, 2, (samples, asked.outputs)).astype(np.uint8)
    else:
        targets = numbers.standard_normal((samples, asked.outputs)[: 1 + (asked.outputs > 1)], np.float32)
    return Images(inputs, targets, np.arange(samples), normalisation, device, classes=is_class)


@contextlib.contextmanager
def _busy(cores: int) -> Iterator[None]:
    """Keep so many other cores at arithmetic and memory traffic, outside of Python's lock but for a moment each."""
    done = threading.Event()

    def work() -> None:
        torch.set_num_threads(1)
        left, right, product = torch.ones(512, 512), torch.ones(512, 512), torch.empty(512, 512)
        source, target = torch.ones(2_000_000), torch.empty(2_000_000)
        while not done.is_set():
            torch.mm(left, right, out=product)
            target.copy_(source)

    others = [threading.Thread(target=work, daemon=True) for _ in range(cores)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        done.set()
        for other in others:
            other.join()
