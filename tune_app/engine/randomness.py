"""The global generators that somebody's layers may draw from: torch's, NumPy's and Python's."""

import random
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")


def seed_everything(seed: int) -> None:
    """Seed all of them, torch's on every device; `seed` is in [0, 2³²)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class GlobalRandomness:
    """Where the global generators stand now: on the CPU, and on every GPU that this process has in use."""

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy = np.random.get_state()
        self._torch = torch.get_rng_state()
        # Asking for a GPU's generator would put the GPU to use.
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]

    def restore(self) -> None:
        """Put them back to where they stood."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        torch.set_rng_state(self._torch)
        if self._cuda:
            torch.cuda.set_rng_state_all(self._cuda)

    def has_moved(self) -> bool:
        """Whether anything has been drawn since."""
        now = GlobalRandomness()
        tensors = zip([self._torch, *self._cuda], [now._torch, *now._cuda], strict=False)
        numpy = zip(self._numpy, now._numpy, strict=True)
        return not (
            self._python == now._python
            and all(np.array_equal(one, other) for one, other in numpy)
            and all(torch.equal(one, other) for one, other in tensors)
        )


def read_randomness() -> dict[str, Any]:
    """Where the global generators stand now, as numbers and tensors alone."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }


def set_randomness(state: Mapping[str, Any]) -> None:
    """Put the global generators where `read_randomness` found them, in this process or in another."""
    name, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def describe_determinism(device: torch.device) -> str | None:
    """Whether this process asks a GPU for the same bits each time; None on a CPU, where they are the same anyway."""
    if device.type != "cuda":
        return None
    flags = {
        "algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn": torch.backends.cudnn.deterministic,
        "benchmark": torch.backends.cudnn.benchmark,
    }
    return ", ".join(f"{name} {'on' if is_on else 'off'}" for name, is_on in flags.items())


def keep_randomness_apart(values: Iterator[T]) -> Iterator[T]:
    """The same values, while whoever makes them and whoever takes them draw from global generators of their own."""
    inside: GlobalRandomness | None = None
    while True:
        outside = GlobalRandomness()
        if inside is not None:
            inside.restore()
        try:
            value = next(values)
        except StopIteration:
            return
        finally:
            inside = GlobalRandomness()
            outside.restore()
        yield value
