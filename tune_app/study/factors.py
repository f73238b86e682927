"""What can vary between the conditions of a study: one table of factors, with the type of their levels."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tune_app.study.messages import PlacedError, Problem, explain
from tune_app.study.protocol import check_protocol

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # which has no public name

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Engine = Literal["auto", "eager", "stacked"]
ClassWeights = Literal["none", "balanced"]
LastBatch = Literal["keep", "drop", "merge"]


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is needed, not {str(value).lower()}")
    return value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def refuse_empty_or_repeated(levels: tuple[Any, ...]) -> tuple[Any, ...]:
    """The levels; ValueError for none, or for one listed twice."""
    if not levels:
        raise ValueError("an empty list of levels; give one level or more")
    repeated = sorted({str(level) for level in levels if levels.count(level) > 1})
    if repeated:
        raise ValueError(f"level {', '.join(repeated)} is listed twice; list each level once")
    return levels


def _check_level(value: Any) -> Any:
    if not isinstance(value, str | bool | int | float):
        raise ValueError(f"a level is a name or a number, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a level is finite, not {value!r}")
    return value


Level = Annotated[Any, BeforeValidator(_check_level)]
T = TypeVar("T")
Levels = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]
Count = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1)]
# Limits that no study comes near, so that a slip of the finger is an error and not a machine that stands still.
Epochs = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1, le=100_000)]
Devices = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1, le=4096)]
Replicates = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1, le=1000)]
MAX_TRIALS = 100_000
Folds = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=2)]
Rate = Annotated[float, BeforeValidator(_refuse_bool), Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_refuse_bool), Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, BeforeValidator(_refuse_bool), Field(ge=0, lt=1)]
ProtocolText = Annotated[str, AfterValidator(check_protocol)]
Seed = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=0)]

# The name that a study of an earlier version may use → the name of today.
FORMER_NAMES = {"replicas": "batch_slices"}


class _Explaining(ModelMetaclass):
    """Makes `Study(...)` in Python raise the StudyError of a study file, and leaves validation as it is."""

    def __call__(cls, *arguments: Any, **fields: Any) -> Any:  # noqa: N805 - of a metaclass
        try:
            return super().__call__(*arguments, **fields)
        except ValidationError as error:
            raise explain(error, cls) from None  # type: ignore[arg-type]  # a class of models


class Frozen(BaseModel, metaclass=_Explaining):
    """A part of a study: it cannot be changed, and one that cannot be is a StudyError with everything that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _read_former_names(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and not FORMER_NAMES.keys().isdisjoint(content):
            return rename_former(content)
        return content


def rename_former(content: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with former names of keys replaced; beside the new name, a former one stays and is refused."""
    return {
        FORMER_NAMES.get(name, name) if FORMER_NAMES.get(name) not in content else name: value
        for name, value in content.items()
    }


class Recipe(Frozen):
    """How one network is trained. `learning_rate` is constant; `momentum` is sgd's alone.

    `engine` trains the folds of a trial one by one (eager) or at once (stacked): the same scores but for rounding.
    `loss`, `optimizer`, `schedule` and `augment` name parts, which ship or are defined; the loss `auto` is the task's.
    `class_weights` are computed from each fold's training part. `clip_norm` bounds the norm of the gradients, 0 does
    not. A last batch of one image is kept, dropped, or merged with the one before. `patience` (epochs, 0: none) stops a
    fit when `stop_metric` no longer improves on a part, `holdout`, carved from the training part. `devices` train one
    network together, each on its slice of every batch; with `batchnorm_sync` they normalise by the whole batch, without
    each by its own slice.
    """

    epochs: Epochs = 5
    batch_size: Count = 100
    optimizer: str = "adam"
    learning_rate: Rate = 0.001
    momentum: Fraction = 0.9
    weight_decay: Share = 0.0
    precision: Precision = "fp32"
    engine: Engine = "auto"
    loss: str = "auto"
    class_weights: ClassWeights = "none"
    schedule: str = "constant"
    augment: str = "none"
    clip_norm: Share = 0.0
    last_batch: LastBatch = "keep"
    patience: Annotated[int, BeforeValidator(_refuse_bool), Field(ge=0)] = 0
    holdout: Fraction = 0.1
    stop_metric: str = "loss"
    compile: bool = False
    devices: Devices = 1
    batchnorm_sync: bool = True

    @model_validator(mode="before")
    @classmethod
    def _read_stop(cls, content: Any) -> Any:
        """`stop: {metric: macro_f1, patience: 8, holdout: 0.1}` as its three keys."""
        if not isinstance(content, Mapping) or "stop" not in content:
            return content
        stop = content["stop"]
        names = {"metric": "stop_metric", "patience": "patience", "holdout": "holdout"}
        if not isinstance(stop, Mapping) or not set(stop) <= set(names) or "patience" not in stop:
            text = f"stop {stop!r}; write stop: {{metric: loss, patience: 8, holdout: 0.1}}"
            raise PlacedError([Problem(text, ("stop",))])
        rest = {name: value for name, value in content.items() if name != "stop"}
        return rest | {names[name]: value for name, value in stop.items()}

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that it names."""
        return self.optimizer, self.loss, self.schedule, self.augment


@dataclass(frozen=True)
class Factor:
    """A row of the table: `kind` is the type of one level, `wording` how a level reads in a label.

    `default` holds the levels of a grid entry that names none; None leaves the level to the section that `scope` names:
    the study's `recipe`, its `data`, or the study itself.
    """

    name: str
    kind: Any
    wording: str
    scope: Literal["entry", "recipe", "data", "study"]
    default: tuple[Any, ...] | None = None
    required: bool = False


def _of_recipe(name: str, wording: str) -> Factor:
    field = Recipe.model_fields[name]
    kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return Factor(name, kind, wording, "recipe")


TABLE = (
    Factor("model", str, "{}", "entry", required=True),
    Factor("data", str, "{}", "data"),
    Factor("folds", Folds, "{} folds", "entry", (4,)),
    Factor("train_images", Count, "{:,} images", "data"),
    Factor("protocol", ProtocolText, "{}", "study"),
    Factor("batch_slices", Count, "{} slices a batch", "study"),
    _of_recipe("epochs", "{} epochs"),
    _of_recipe("batch_size", "batches of {:,}"),
    _of_recipe("optimizer", "{}"),
    _of_recipe("learning_rate", "learning rate {:g}"),
    _of_recipe("momentum", "momentum {:g}"),
    _of_recipe("weight_decay", "weight decay {:g}"),
    _of_recipe("precision", "{}"),
    _of_recipe("engine", "{} engine"),
    _of_recipe("loss", "{} loss"),
    _of_recipe("class_weights", "{} class weights"),
    _of_recipe("schedule", "{} schedule"),
    _of_recipe("augment", "augmentation {}"),
    _of_recipe("clip_norm", "gradient norm up to {:g}"),
    _of_recipe("last_batch", "last batch {}"),
    _of_recipe("patience", "patience {}"),
    _of_recipe("holdout", "holdout {:g}"),
    _of_recipe("stop_metric", "stop by {}"),
    _of_recipe("compile", "compiled {}"),
    _of_recipe("devices", "{} devices"),
    _of_recipe("batchnorm_sync", "synchronised batch norm {}"),
)
# Those that every study has. A study's own factors are these and, after `model`, the arguments of its networks.
FACTORS = tuple(factor.name for factor in TABLE)
OWN_FACTORS = tuple(factor.name for factor in TABLE if factor.scope != "recipe")


def order_factors(arguments: Iterable[str]) -> tuple[str, ...]:
    """A study's factors in the order of its tables, of those that are arguments of its networks."""
    return (FACTORS[0], *arguments, *FACTORS[1:])
