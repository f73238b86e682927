"""The networks that a study can name: one registry, `MODELS`; one file per family.

`MODELS[name](image_shape=…, classes=…, regularizer=…, width=…)` builds a network with fresh weights from torch's
global random state. To add a family, write its file and add its line here.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_app.models.layers import REGULARIZERS

if TYPE_CHECKING:
    from torch import nn

    from tune_app.models.weights import load_network, read_weights, write_weights

__all__ = ["MODELS", "REGULARIZERS", "load_network", "read_weights", "write_weights"]


class Registry(Mapping[str, "Callable[..., nn.Module]"]):
    """Names that are known at once; a family's file, and torch with it, is imported when one of them is asked for."""

    def __init__(self, places: Mapping[str, tuple[str, ...]]) -> None:
        """`places`: name → (`module:function`, positional arguments …)."""
        self._places = dict(places)

    def __getitem__(self, name: str) -> "Callable[..., nn.Module]":
        reference, *arguments = self._places[name]
        module, _, function = reference.partition(":")
        build: Callable[..., nn.Module] = getattr(import_module(module), function)
        return partial(build, *arguments) if arguments else build

    def find_source(self, name: str) -> Path:
        """The file that defines the network's factory, without importing it."""
        module = self._places[name][0].partition(":")[0]
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"model {name!r}: the source of {module} cannot be found")
        return Path(spec.origin)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


MODELS = Registry(
    {
        "cnn": ("tune_app.models.cnn:build_cnn",),
        "vgg10": ("tune_app.models.vgg:build_vgg", "vgg10"),
        "vgg12": ("tune_app.models.vgg:build_vgg", "vgg12"),
        "vgg15": ("tune_app.models.vgg:build_vgg", "vgg15"),
        "vgg18": ("tune_app.models.vgg:build_vgg", "vgg18"),
    }
)


def __getattr__(name: str) -> Any:
    if name in ("load_network", "read_weights", "write_weights"):
        return getattr(import_module("tune_app.models.weights"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
