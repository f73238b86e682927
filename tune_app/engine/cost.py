"""What a trial costs before it runs: parameters, floating-point operations, seconds, its share of a GPU."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from tune_app.engine.rewrite import MergedLinear, build_rewritten
from tune_app.parts.networks import Network, keep_by_network
from tune_app.study import TrialSpec

# What a training step takes on one core beyond its arithmetic, fitted to steps of the CNN and of narrow VGGs: from 30%
# too little to 20% too much, which is why a plan says "about".
EFFICIENCY = 0.9  # share of the rate of large matrix products
ACTIVATION_PASSES = 7  # how often a step reads or writes an activation: forward, loss, backward, pooling's indices
LAYER_SECONDS = 2e-4  # calls of a layer's forward, backward and update
# Bytes that a step moves for one parameter: Adam reads weight, gradient and two moments and writes three of them; the
# passes read the weight twice, write the gradient and read it again where layers are merged.
STEP_BYTES = 44
BATCH = 100  # images in a step, for counting what rewriting saves
# Floating-point operations of a training step below which a GPU waits for launches: some fifty of them take about as
# long as this arithmetic does at the fp32 rate of a current card. Estimated; `benchmarks.engines` measures it.
STACK_BELOW_FLOPS = 2e10


@dataclass(frozen=True)
class NetworkCost:
    """Trainable numbers of a network; operations and activation bytes of one image's forward pass.

    `forward_flops` are the network's as it is written, `training_flops` and `scoring_flops` those left of them after it
    is rewritten (tune_app/engine/rewrite.py). `layers` are the modules without children.
    """

    parameters: int
    forward_flops: int
    training_flops: float
    scoring_flops: float
    activation_bytes: int
    layers: int


@dataclass(frozen=True)
class MachineRates:
    """What one core does in a second: fp32 operations in matrix products, bytes moved."""

    flops: float
    bytes: float


@keep_by_network(256)
def build_network_cost(asked: Network) -> NetworkCost:
    """Counted on torch's meta device: nothing is allocated, nothing is computed.

    Raises ValueError if the network cannot be built for such images, and whatever it raises where there are no numbers.
    An estimator that is no network costs nothing that is known beforehand.
    """
    with torch.device("meta"):
        network = asked.build()
        if not isinstance(network, torch.nn.Module):
            return NetworkCost(0, 0, 0.0, 0.0, 0, 0)
        dtype = torch.int64 if asked.codes else torch.float32
        activations = 0

        def count(module: torch.nn.Module, inputs: object, output: object) -> None:
            nonlocal activations
            parts = output if isinstance(output, tuple | list) else [output]  # recurrent layers give a state as well
            activations += sum(part.numel() * 4 for part in parts if isinstance(part, torch.Tensor))

        leaves = [module for module in network.modules() if not list(module.children())]
        hooks = [module.register_forward_hook(count) for module in leaves]
        nominal = _count_flops(network, 1, asked.shape, dtype)
        for hook in hooks:  # a layer with a hook is not rewritten
            hook.remove()
        parameters, activation_bytes = sum(p.numel() for p in network.parameters()), activations
        rewritten = build_rewritten(network, torch.Generator("cpu"))
        scoring = _count_flops(rewritten, BATCH, asked.shape, dtype) / BATCH
    # Active dropout keeps linear layers apart that scoring merges.
    dropped = any(isinstance(m, MergedLinear) and m.dropout is not None for m in rewritten.modules())
    return NetworkCost(parameters, nominal, nominal if dropped else scoring, scoring, activation_bytes, len(leaves))


def _count_flops(network: torch.nn.Module, images: int, shape: tuple[int, ...], dtype: torch.dtype) -> int:
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.empty(images, *shape, dtype=dtype))
    return int(counter.get_total_flops())


@lru_cache(maxsize=1)
def measure_machine_rates() -> MachineRates:
    """A fifth of a second on one thread: a matrix product and a copy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left, right, big = torch.randn(512, 512), torch.randn(512, 512), torch.randn(4_000_000)
        product = min(_time(lambda: left @ right) for _ in range(30))
        copy = min(_time(lambda: big.clone()) for _ in range(5))
    finally:
        torch.set_num_threads(threads)
    return MachineRates(2 * 512**3 / product, 2 * 4 * 4_000_000 / copy)


def _time(action: object) -> float:
    started = time.perf_counter()
    action()  # type: ignore[operator]
    return time.perf_counter() - started


def fit_flops(spec: TrialSpec, cost: NetworkCost, train_images: int, test_images: int) -> float:
    """Operations of one fit with its scoring; a backward pass counts as two forward ones."""
    trained = train_images * (spec.folds - 1) / spec.folds
    validated = train_images / spec.folds
    return cost.forward_flops * (spec.recipe.epochs * (3 * trained + validated) + test_images)


def estimate_step_seconds(samples: float, cost: NetworkCost, rates: MachineRates) -> float:
    """Seconds of a training step on so many samples on one core: arithmetic, memory traffic, calls of layers."""
    traffic = cost.parameters * STEP_BYTES + cost.activation_bytes * ACTIVATION_PASSES * samples
    flops = 3 * cost.training_flops * samples
    return flops / (rates.flops * EFFICIENCY) + traffic / rates.bytes + cost.layers * LAYER_SECONDS


def estimate_scoring_seconds(samples: float, cost: NetworkCost, rates: MachineRates) -> float:
    """Seconds of scoring so many samples on one core."""
    return cost.scoring_flops * samples / (rates.flops * EFFICIENCY) + 2 * cost.activation_bytes * samples / rates.bytes


def count_steps(spec: TrialSpec, train_images: int) -> tuple[int, float, float]:
    """Steps of a fit, samples that they take in all, and samples that its epochs validate."""
    trained = train_images * (spec.folds - 1) / spec.folds
    epochs = spec.recipe.epochs
    return epochs * math.ceil(trained / spec.recipe.batch_size), epochs * trained, epochs * train_images / spec.folds


def choose_engine(spec: TrialSpec, count: Callable[[], NetworkCost], device_type: str) -> str:
    """`eager` or `stacked`: what the recipe says, and for `auto` what pays on a `cpu` or `cuda` device.

    `count` gives the network's cost, which takes a while and is asked for on a GPU alone.

    A CPU core is busy with the arithmetic of one fold, and stacking only makes its tensors outgrow the cache
    (`benchmarks.engines` measures it). A GPU waits for launches as long as a step's arithmetic is small.
    """
    if spec.has_dependent_folds or spec.recipe.devices > 1:
        return "eager"
    if spec.recipe.engine != "auto":
        return spec.recipe.engine
    if device_type == "cpu" or spec.training.protocol:
        return "eager"
    return "stacked" if 3 * count().forward_flops * spec.recipe.batch_size < STACK_BELOW_FLOPS else "eager"
