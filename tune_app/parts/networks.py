"""A trial's network as it is asked for: hashable, and built afresh wherever it is needed."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ParamSpec, TypeVar

from tune_app.data import Task
from tune_app.parts.catalog import locate
from tune_app.parts.signatures import bind_part
from tune_app.parts.sources import DataFacts
from tune_app.study import TrialSpec
from tune_app.study.define import Definition
from tune_app.study.signatures import QUALIFIER

Given = ParamSpec("Given")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Network:
    """What builds a network: its model and arguments (JSON), the shape of one input, the number of outputs.

    `definition` (JSON) is the study's own for the model, empty for one that ships. `codes` says that inputs are
    integers, such as tokens.
    """

    model: str
    arguments: str
    shape: tuple[int, ...]
    outputs: int
    definition: str = ""
    codes: bool = False
    task: Task = "classification"

    @cached_property
    def _definition(self) -> Definition | None:
        return Definition.model_validate(json.loads(self.definition)) if self.definition else None

    def build(self) -> Any:
        """A network with fresh weights from torch's global random state, or an estimator: whatever the factory gives.

        Raises whatever the factory raises.
        """
        definition = self._definition
        function = locate("model", definition.reference if definition else self.model)
        if inspect.isgeneratorfunction(
            function
        ):  # it trains by itself, and is called when there is something to train on
            return function
        filled = {"inputs": self.shape, "image_shape": self.shape, "outputs": self.outputs, "classes": self.outputs}
        return function(**bind_part(function, "model", self.keywords, filled))

    @cached_property
    def keywords(self) -> dict[str, Any]:
        """The arguments of the factory that a study sets."""
        levels = {name.removeprefix(QUALIFIER): level for name, level in json.loads(self.arguments).items()}
        fixed = self._definition.arguments if self._definition else {}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in (fixed | levels).items()}

    @property
    def weights(self) -> str | None:
        """The file that the network starts from, if any."""
        return self._definition.weights if self._definition else None


_kept: list[Callable[[], None]] = []  # what clears each function's memory


def keep_by_network(maxsize: int) -> Callable[[Callable[Given, Found]], Callable[Given, Found]]:
    """`lru_cache` for functions of a Network, until `forget_networks`: the code that its names stand for may change."""

    def decorate(function: Callable[Given, Found]) -> Callable[Given, Found]:
        kept = lru_cache(maxsize)(function)
        _kept.append(kept.cache_clear)
        return kept  # type: ignore[return-value]

    return decorate


def forget_networks() -> None:
    """Forget whatever was found out about networks: a study may have other code by the names of the last one's."""
    for clear in _kept:
        clear()


def ask_network(model: str, shape: tuple[int, ...], outputs: int, **arguments: Any) -> Network:
    """A network that ships, with the given arguments."""
    return Network(model, json.dumps(arguments), shape, outputs)


def choose_network(spec: TrialSpec, facts: DataFacts) -> Network:
    """The network of a trial for a data set."""
    definition = spec.definitions.get(spec.model)
    levels = {name: level for name, level in spec.arguments.items() if level is not None}
    return Network(
        model=spec.model,
        arguments=json.dumps(levels),
        shape=facts.shape,
        outputs=facts.outputs,
        definition=json.dumps(definition.model_dump(mode="json")) if definition else "",
        codes=facts.codes,
        task=facts.task,
    )
