"""torch's optimizers by name, with their constructors' arguments."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from tune_app.errors import StudyError, choices

OPTIMIZERS: Mapping[str, type[torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adafactor": torch.optim.Adafactor,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "asgd": torch.optim.ASGD,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
_REFUSED = {
    "lbfgs": "computes the loss several times a step, and a step here computes it once",
    "muon": "takes matrices alone, and networks have biases and convolutions too",
    "rprop": "needs the gradient of all samples at once, and a batch gives that of a few",
    "sparseadam": "takes sparse gradients alone, and the networks here have dense ones",
}
_FILLED_IN = {"lr": "learning_rate", "weight_decay": "weight_decay", "momentum": "momentum"}  # by keys of a recipe
# How a step is computed is the tool's choice, and `maximize` would raise the loss.
_KEPT_BACK = {"params", "foreach", "fused", "capturable", "differentiable", "maximize", *_FILLED_IN}
_FUSED = {"sgd", "adam", "adamw"}  # as the engine builds them when they have no further arguments


def build_named(
    name: str,
    parameters: Iterable[torch.nn.Parameter],
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float | None,
    **arguments: Any,
) -> torch.optim.Optimizer:
    """The optimizer called `name` of the parameters; `arguments` are those of its constructor in torch.

    `momentum` reaches sgd and rmsprop alone, None leaves them torch's default. Raises StudyError for an unknown name,
    unknown arguments, and values that torch refuses.
    """
    kind = _find(name)
    _check_arguments(name, arguments)
    weights, accepted = list(parameters), inspect.signature(kind).parameters
    chosen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()
    }
    chosen |= {"lr": learning_rate, "weight_decay": weight_decay}
    if momentum is not None and "momentum" in accepted:
        chosen["momentum"] = momentum
    if name in _FUSED:
        chosen["fused"] = True
    if "capturable" in accepted and weights:
        # A step counter on the device lets a CUDA graph capture the step.
        chosen["capturable"] = weights[0].is_cuda
    try:
        return kind(weights, **chosen)
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        given = ", ".join(f"{_FILLED_IN.get(key, key)} {value}" for key, value in chosen.items() if _is_own(key))
        raise StudyError(f"optimizer {name}: torch refuses {given}: {error}; change the value named") from error


def __getattr__(name: str) -> Any:
    """Each optimizer as a function that a reference can name: `tune_app.parts.optimizers:rmsprop`."""
    if name not in OPTIMIZERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def build(parameters: Any, learning_rate: float, weight_decay: float, momentum: float, **arguments: Any) -> Any:
        told = momentum if name == "sgd" else None  # the recipe's momentum is sgd's alone
        rates: dict[str, Any] = {"learning_rate": learning_rate, "weight_decay": weight_decay, "momentum": told}
        return build_named(name, parameters, **rates, **arguments)

    kind = inspect.Parameter.KEYWORD_ONLY
    filled = [inspect.Parameter(each, kind) for each in ("parameters", "learning_rate", "weight_decay", "momentum")]
    own = [parameter.replace(kind=kind, annotation=inspect.Parameter.empty) for parameter in list_arguments(name)]
    build.__signature__ = inspect.Signature([*filled, *own])  # type: ignore[attr-defined]
    build.__name__ = name
    return build


def list_arguments(name: str) -> tuple[inspect.Parameter, ...]:
    """What the constructor takes besides the learning rate, the weight decay and the momentum of the recipe."""
    accepted = inspect.signature(_find(name)).parameters
    return tuple(parameter for key, parameter in accepted.items() if key not in _KEPT_BACK)


def _find(name: str) -> type[torch.optim.Optimizer]:
    if name in _REFUSED:
        raise StudyError(f"optimizer {name}: it {_REFUSED[name]}; choose from {', '.join(OPTIMIZERS)}")
    if name not in OPTIMIZERS:
        raise StudyError(f"optimizer: there is no {name!r}{choices(name, OPTIMIZERS)}")
    return OPTIMIZERS[name]


def _check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    known = [parameter.name for parameter in list_arguments(name)]
    problems = []
    for argument in arguments:
        if argument in _FILLED_IN:
            problems.append(f"optimizer {name}: {argument} is the recipe's {_FILLED_IN[argument]}; set it there")
        elif argument not in known:
            tail = choices(argument, known) if known else "; it has none but those of the recipe"
            problems.append(f"optimizer {name}: {argument!r} is no argument of it{tail}")
    if problems:
        raise StudyError(problems)


def _is_own(key: str) -> bool:
    """Whether a user can set the argument, here or in the recipe."""
    return key in _FILLED_IN or key not in _KEPT_BACK
