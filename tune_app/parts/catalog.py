"""What this installation can run, and what a study adds to it: names, what they stand for, what they take."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from tune_app.data import DATASETS
from tune_app.errors import StudyError, choices
from tune_app.models import MODELS
from tune_app.parts.metrics import METRICS
from tune_app.parts.references import Scope, resolve
from tune_app.parts.signatures import call_part, read_signature, takes_any
from tune_app.study import Catalog
from tune_app.study.define import Definition, spell_kind
from tune_app.study.metrics import ALIASES
from tune_app.study.signatures import Signature

OPTIMIZERS = ("adam", "adamw", "sgd", "adadelta", "adafactor", "adagrad", "adamax", "asgd", "nadam", "radam", "rmsprop")
# The parts that ship, by kind: a name → the function that makes it, which a user's reference could name as well.
SHIPPED_PARTS: dict[str, dict[str, str]] = {
    "data": {
        "npz": "tune_app.data.arrays:load_npz",
        "table": "tune_app.data.tables:load_table",
        "folder": "tune_app.data.folders:load_folder",
        "torchvision": "tune_app.data.torchvision_sets:load_torchvision",
        "bundled": "tune_app.data.bundled:load_bundled",
    },
    "optimizer": {name: f"tune_app.parts.optimizers:{name}" for name in OPTIMIZERS},
    "loss": {
        name: f"tune_app.parts.losses:{name}"
        for name in ("cross_entropy", "binary_cross_entropy", "focal", "mse", "mae", "huber")
    },
    "schedule": {
        name: f"tune_app.parts.schedules:{name}"
        for name in ("constant", "step_decay", "cosine", "one_cycle", "linear", "plateau")
    },
    "augment": {name: f"tune_app.parts.augmentations:{name}" for name in ("flips", "shifts", "noise", "transforms")},
    "metric": {name: f"tune_app.parts.metric_functions:{ALIASES.get(name, name)}" for name in (*METRICS, *ALIASES)},
    "splitter": {
        name: f"tune_app.parts.shipped_splitters:{name.replace('-', '_')}"
        for name in ("kfold", "stratified", "group", "stratified-group", "leave-one-group-out", "predefined", "forward")
    },
}
NOTHING = {"loss": "auto", "augment": "none"}  # names that stand for no part


def build_catalog(content: Mapping[str, Any] | None = None, scope: Scope | None = None) -> Catalog:
    """The models, data sets and parts of this installation, and those that a study's content defines.

    With a `scope` the references of `define:` are imported, and what is wrong with them is in the catalog's `problems`.
    """
    sizes: dict[str, tuple[int, int] | None] = {
        name: (entry.train_images, entry.test_images) for name, entry in DATASETS.items()
    }
    parts = {kind: (*([NOTHING[kind]] if kind in NOTHING else []), *names) for kind, names in SHIPPED_PARTS.items()}
    defined = content.get("define") if content else None
    if not isinstance(defined, Mapping) or scope is None:
        return Catalog(tuple(MODELS), sizes, parts=parts)
    signatures, problems, models, unusable = {}, list[str](), list(MODELS), set[str]()
    for name, given in defined.items():
        if not isinstance(name, str):
            continue  # it is said to be no name where the study is validated
        try:
            definition = Definition.model_validate(given)
        except (ValidationError, StudyError):  # what is wrong with it is said where the study is validated
            models, sizes = [*models, name], {**sizes, name: None}
            parts = {kind: (*names, name) for kind, names in parts.items()}  # and not that nothing has the name
            unusable.add(name)
            continue
        taken = [*MODELS] if definition.kind == "model" else [*DATASETS, *parts.get(definition.kind, ())]
        if name in taken:
            problems.append(f"define.{name}: {spell_kind(definition.kind)} that ships has this name; choose another")
            unusable.add(name)
            continue
        if definition.kind == "model":
            models.append(name)
        elif definition.kind == "data":
            sizes[name] = None
        try:
            signatures[name] = read_definition(definition, scope)
        except StudyError as error:
            problems += [f"define.{name}: {problem}" for problem in error.problems]
            signatures[name] = Signature()
            unusable.add(name)
    return Catalog(tuple(models), sizes, signatures, parts, tuple(problems), frozenset(unusable))


def read_definition(definition: Definition, scope: Scope) -> Signature:
    """What the defined part takes; StudyError if it cannot be resolved, or has arguments that it does not take."""
    function = locate(definition.kind, definition.reference, scope)
    signature = read_signature(function, definition.kind)
    problems = []
    known = {argument.name: argument for argument in signature.arguments}
    for name, value in definition.arguments.items():
        if name not in known and takes_any(function):
            continue  # the function itself says what is wrong with them
        if name not in known:
            takes = ", ".join(known) or "no arguments"
            problems.append(
                f"{definition.reference} has no argument {name!r}{choices(name, known)}"
                if known
                else f"{definition.reference} takes {takes}; leave {name} out"
            )
        elif not isinstance(value, list | tuple) and (problem := known[name].find_problem(value)):
            problems.append(problem)
    if definition.kind != "model":  # of a model they may be levels of the grid
        lacking = [a.name for a in signature.arguments if a.required and a.name not in definition.arguments]
        problems += [f"{definition.reference} needs {name}; add {name}: …" for name in lacking]
    if problems:
        raise StudyError(problems)
    if definition.kind == "model":
        given = definition.arguments
        signature = signature.model_copy(
            update={
                "arguments": tuple(
                    a.model_copy(update={"required": a.required and a.name not in given}) for a in signature.arguments
                )
            }
        )
    return signature


def locate(kind: str, reference: str, scope: Scope | None = None) -> Callable[..., Any]:
    """The function that a reference or the name of a part that ships stands for; without a scope it is just imported.

    A scope is for what a study says; where trials run, its references have been checked.
    """
    if ":" not in reference:
        if kind == "model" and reference in MODELS:
            return MODELS[reference]
        shipped = SHIPPED_PARTS.get(kind, {}).get(reference)
        if not shipped:
            names = [*MODELS] if kind == "model" else SHIPPED_PARTS.get(kind, {})
            raise StudyError(f"unknown {kind} {reference!r}{choices(reference, names)}, or write module:function")
        reference = shipped
        scope = None
    if scope is not None:
        found: Callable[..., Any] = resolve(reference, scope)
        return found
    module, _, attribute = reference.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), attribute)
    return function


def build_part(kind: str, name: str, definitions: Mapping[str, Definition], **filled: Any) -> Any:
    """What the part called `name` makes, of a study's definitions or of those that ship."""
    definition = definitions.get(name)
    function = locate(kind, definition.reference if definition else name)
    return call_part(function, kind, _as_lists(definition.arguments) if definition else {}, filled)


def _as_lists(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
