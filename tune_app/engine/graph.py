"""The step of a stack in a CUDA graph: captured once, replayed for every full batch of all folds."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from tune_app.engine.stack import Stack, Step, Tensors

GRAPH_WARMUP = 3  # steps that run before one is captured: they make cuDNN choose its kernels and Adam its state


class Captured(Protocol):
    """A step that can be run again on what has been copied into its inputs."""

    def replay(self) -> None: ...


Capture = Callable[[Callable[[], Step]], tuple[Captured, Step]]


def capture_cuda(step: Callable[[], Step]) -> tuple[Captured, Step]:
    """The step as a CUDA graph, and the tensors that its results appear in; RuntimeError if it cannot be captured."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()
    return graph, result


def warm_up_cuda(step: Callable[[], Step]) -> Step:
    """The step on a stream of its own, as torch asks for before a capture."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        result = step()
    torch.cuda.current_stream().wait_stream(side)
    return result


class GraphedStep:
    """The step of a stack, replayed from a graph where it can be captured; else as it is, and `reason` says why."""

    def __init__(
        self,
        stack: Stack,
        allowed: bool,
        capture: Capture = capture_cuda,
        warm_up: Callable[[Callable[[], Step]], Step] = warm_up_cuda,
    ) -> None:
        self.stack, self.allowed, self.reason = stack, allowed, ""
        self._capture, self._warm_up = capture, warm_up
        self._captured: Captured | None = None
        self._warmed = 0

    def step(self, active: Sequence[int], positions: torch.Tensor, masks: Tensors) -> Step:
        """As `Stack.step`."""
        full = len(active) == len(self.stack.folds) and positions.shape[1] == self.stack.recipe.batch_size
        if not (self.allowed and full):
            return self.stack.step(active, positions, masks)
        if self._warmed < GRAPH_WARMUP:
            self._warmed += 1
            return self._warm_up(lambda: self.stack.step(active, positions, masks))
        if self._captured is None:
            self._positions = positions.clone()
            self._masks = {name: mask.clone() for name, mask in masks.items()}
            try:
                self._captured, self._result = self._capture(
                    lambda: self.stack.step(active, self._positions, self._masks)
                )
            except RuntimeError as error:  # an optimisation costs no fit: the plain step does the same
                self.allowed, self.reason = False, f"without a CUDA graph: {str(error).splitlines()[0]}"
                return self.stack.step(active, positions, masks)
        self._positions.copy_(positions)
        for name, mask in masks.items():
            self._masks[name].copy_(mask)
        self._captured.replay()
        return self._result[0].clone(), self._result[1].clone()


def build_step(stack: Stack) -> GraphedStep:
    """The stack's step: in a graph on a GPU.

    A gradient scaler makes a step depend on whether it overflowed; a graph would copy the same batch of the host again.
    """
    on_host = stack.images.place != stack.device
    allowed = stack.device.type == "cuda" and stack.recipe.precision != "fp16" and not on_host
    step = GraphedStep(stack, allowed)
    if on_host:
        step.reason = "without a CUDA graph: the samples are in host memory"
    return step
