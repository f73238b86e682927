"""Weights on disk: a dictionary of tensors, numbers and strings that `torch.load(weights_only=True)` accepts."""

import os
import sysconfig
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from inspect import signature, unwrap
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tune_app.errors import ResultsError

FORMAT = 1


def write_weights(path: Path, state: dict[str, torch.Tensor], build: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write a state with what is needed to build its network again; the file appears whole or not at all.

    `build` holds `model` (a key of `MODELS`), `image_shape`, `classes`, `regularizer`, `width`; `facts` whatever else
    should travel with the weights (trial, fold, epoch, score, normalisation).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        torch.save({"format": FORMAT, "build": build, "facts": facts, "state": state}, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_weights(path: str | Path) -> dict[str, Any]:
    """The dictionary with `build`, `facts` and `state`, on the CPU; ResultsError if the file is not one of ours."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ResultsError(
            f"{path} cannot be read: {error.strerror}; run the study with --keep best, which writes "
            "<runs>/<study>/weights/<trial>.pt"
        ) from error
    except Exception as error:  # torch.load raises many kinds; whichever it is, the file is unusable
        raise ResultsError(
            f"{path} is not a weights file of this project ({error}); run the study with --keep best"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ResultsError(f"{path} is not a weights file of format {FORMAT}; run the study again with --keep best")
    return content


def load_network(path: str | Path, allow: Sequence[str] = ()) -> nn.Module:
    """The network that `--keep best` saved, in evaluation mode on the CPU.

    It expects (N, C, H, W) float images, grey levels scaled to [0, 1] and normalised with
    `read_weights(path)["facts"]["mean"]` and `["std"]`. A user's own network is built by their function, which must be
    importable. The file names it, so that it must not lead anywhere but to modules of one's own, to networks that ship,
    and to installed packages that `allow` names. Raises ResultsError for a file that holds none, or whose function
    cannot be found or is another.
    """
    from tune_app.models import MODELS  # here, because the registry imports this file

    content = read_weights(path)
    build = dict(content["build"])
    name = build.pop("model")
    if "reference" in build:
        network = _build_users(path, name, build, allow)
        network.load_state_dict(content["state"])
        return network.eval()
    if name not in MODELS:
        raise ResultsError(f"{path} holds a {name!r}, which is not registered here; choose from {', '.join(MODELS)}")
    build["image_shape"] = tuple(build["image_shape"])
    network = MODELS[name](**build)
    network.load_state_dict(content["state"])
    return network.eval()


def _build_users(path: str | Path, name: str, build: dict[str, Any], allow: Sequence[str]) -> nn.Module:
    module, _, function = str(build["reference"]).partition(":")
    try:
        _check_module(path, module, allow)
        factory = getattr(import_module(module), function)
        _check_module(path, str(getattr(unwrap(factory), "__module__", None)), allow)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ResultsError(
            f"{path} holds a {name!r}, which {build['reference']} builds, and that cannot be imported ({error}); put "
            "the study's folder on Python's path"
        ) from error
    filled = {"inputs": tuple(build["inputs"]), "outputs": build["outputs"]}
    filled |= {"image_shape": filled["inputs"], "classes": filled["outputs"]}
    named = signature(factory).parameters
    network: nn.Module = factory(**build["arguments"], **{key: value for key, value in filled.items() if key in named})
    return network


def _check_module(path: str | Path, module: str, allow: Sequence[str]) -> None:
    """Raise ResultsError for a module that a file of weights must not call: of Python, or of a package not allowed."""
    package = module.partition(".")[0]
    if package in allow or f"{module}.".startswith("tune_app.models."):
        return
    found = find_spec(package)  # of a package at the top: nothing is imported for it
    if found is None:
        raise ImportError(f"No module named {package!r}")
    places = [Path(place).resolve() for place in (found.origin, *(found.submodule_search_locations or ())) if place]
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    installed = [Path(sysconfig.get_path(kind)).resolve() for kind in kinds]
    is_own = package != "tune_app" and found.origin not in ("built-in", "frozen")
    if not is_own or any(place.is_relative_to(base) for place in places for base in installed):
        raise ResultsError(
            f"{path} names {module}, which is no module of your own: the file could have it do anything; if you trust "
            f"the file, allow it with load_network(…, allow=[{package!r}])"
        )
