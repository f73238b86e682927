"""torch.compile for the folds of a trial: one cache for a network, and a sentence on what could not be compiled."""

import copy
from collections.abc import Callable, Hashable

import torch
from torch import nn

from tune_app.engine import Images
from tune_app.engine.fit import predict
from tune_app.engine.objective import Objective
from tune_app.engine.precision import autocast, matmul_precision
from tune_app.errors import describe_error
from tune_app.study import Recipe

NO_COMPILER = "there is no C++ compiler here (g++); install one, or leave compile out"


class _Cache:
    """What this process has compiled last: the network's key, and why it cannot be compiled, empty if it can."""

    key: Hashable = None
    problem = ""


_CACHE = _Cache()


def compile_network(network: nn.Module, key: Hashable, try_out: Callable[[nn.Module], object]) -> tuple[nn.Module, str]:
    """The network compiled, or as it is with a sentence that says why not.

    Folds and trials with an equal `key` ask for the same network, and share what is compiled. `try_out` trains and
    tests a copy for a step, so that what cannot be compiled shows here and not in the fit.
    """
    if key != _CACHE.key:
        # torch keeps eight versions of one `forward` and runs the next in Python without a word: other networks of the
        # same class must not use them up.
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        _CACHE.key, _CACHE.problem = key, ""
        try:
            try_out(torch.compile(copy.deepcopy(network)))  # type: ignore[arg-type]
        except Exception as error:  # whatever the compiler makes of somebody's network, or of this machine
            text = describe_error(error)
            _CACHE.problem = f"not compiled: {NO_COMPILER if 'InvalidCxxCompiler' in text else text}"
    if _CACHE.problem:
        return network, _CACHE.problem
    return torch.compile(network), ""  # type: ignore[return-value]


def try_out(
    network: nn.Module, images: Images, train: torch.Tensor, tested: torch.Tensor, recipe: Recipe, objective: Objective
) -> None:
    """A step on the first batch of the positions `train` and a test of `tested`, with the modes of a fit."""
    inputs, targets = images.batch(train[: recipe.batch_size])
    with matmul_precision(recipe.precision), autocast(recipe.precision, images.device):
        loss = objective.compute(network.train()(inputs), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    predict(network, images, tested, recipe.precision, None, objective)


def describe_gaps() -> str:
    """A sentence on what of a compiled network was left to Python so far, empty if nothing was."""
    if _CACHE.problem:
        return ""  # it is not compiled, and that has been said
    counters = torch._dynamo.utils.counters
    found = [reason.partition("\n")[0] for kind in ("graph_break", "unimplemented") for reason in counters[kind]]
    if not found:
        return ""
    extent = "compiled in part" if counters["stats"]["unique_graphs"] else "not compiled"
    return f"{extent}: {'; '.join(dict.fromkeys(found))}"
