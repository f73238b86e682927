"""What a trial takes of a device's memory, and the share of a GPU that follows from it."""

import math
from dataclasses import dataclass, fields, replace

from tune_app.engine.footprint import Footprint, build_footprint, choose_scored
from tune_app.parts.networks import Network
from tune_app.parts.sources import DataFacts
from tune_app.study import TrialSpec

# What a process takes before its first tensor. On a GPU: context, kernels and workspace of cuDNN and cuBLAS, estimated.
# On a CPU: an actor with torch imported, the median over the fits of the committed study `quick`.
GPU_CONTEXT_BYTES = 1.0e9
CPU_CONTEXT_BYTES = 1.06e9
LABEL_BYTES = 8
HEADROOM = 1.2  # of what is predicted: an allocator keeps blocks that no tensor fills
MOST_TO_A_GPU = 16  # trials; with more, processes wait for each other's launches
STEPS = 10_000  # Ray counts shares in ten-thousandths


@dataclass(frozen=True)
class Memory:
    """Predicted peak of a trial's process on its device, in bytes.

    `activations` are those saved for the backward pass and what a step or the scoring holds beyond them; `data` the
    samples on the device, `context` the process before its first tensor.
    """

    parameters: float
    gradients: float
    optimizer: float
    activations: float
    data: float
    context: float

    @property
    def total(self) -> float:
        return float(sum(getattr(self, each.name) for each in fields(self)))

    @property
    def least(self) -> float:
        """What it takes with its data set left in the host's memory."""
        return self.total - self.data


def build_memory(spec: TrialSpec, network: Network, facts: DataFacts, images: tuple[int, int], on_gpu: bool) -> Memory:
    """The memory of a trial whose folds are fitted one after the other.

    `images` are its samples for cross-validation and for the test. On a CPU the data set is shared by all processes,
    and counts for none. Raises what `build_footprint` raises.
    """
    recipe = spec.recipe
    batch = min(recipe.batch_size, max(1, images[0] - images[0] // spec.folds))
    scored = choose_scored(max(images[1], math.ceil(images[0] / spec.folds)))
    held = build_footprint(network, recipe.optimizer, recipe.momentum > 0, batch, scored)
    data = sum(images) * (facts.sample_bytes + LABEL_BYTES) if on_gpu else 0.0
    context = GPU_CONTEXT_BYTES if on_gpu else CPU_CONTEXT_BYTES
    return Memory(*_spell(held), data, context)


def _spell(held: Footprint) -> tuple[float, float, float, float]:
    return float(held.parameters), float(held.gradients), float(held.optimizer), float(held.activations)


def stack_memory(memory: Memory, folds: int) -> Memory:
    """The same for folds that are trained together: all of it once for each, and a second copy of the gradients."""
    return replace(
        memory,
        parameters=memory.parameters * folds,
        gradients=memory.gradients * folds * 2,
        optimizer=memory.optimizer * folds,
        activations=memory.activations * folds,
    )


def build_gpu_share(needed_bytes: float, gpu_bytes: float) -> float:
    """The share of one GPU that holds so many bytes with headroom: 1/n, so that shares pack; 1 for more than it has."""
    fitting = math.floor(gpu_bytes / (needed_bytes * HEADROOM)) if needed_bytes else MOST_TO_A_GPU
    return math.floor(STEPS / min(MOST_TO_A_GPU, max(1, fitting))) / STEPS


def feed_gpus(share: float, cpus: float, gpus: float) -> float:
    """The cores of a trial with such a share of a GPU, so that all that the GPUs hold can run at the same time.

    A core, or where the node has fewer for each, that part of one.
    """
    together = gpus * math.floor(1 / share + 1e-9) if share < 1 else gpus / share
    return min(1.0, max(0.01, math.floor(100 * cpus / together) / 100)) if together else 1.0
