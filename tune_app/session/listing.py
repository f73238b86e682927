"""What a study can name: the parts that ship and their arguments, as text."""

from collections.abc import Iterator

from tune_app.data import DATASETS
from tune_app.models import MODELS
from tune_app.parts.catalog import SHIPPED_PARTS, locate
from tune_app.parts.metrics import METRICS
from tune_app.parts.signatures import read_signature
from tune_app.study.signatures import Argument, Signature

_SPLITTERS = {
    "kfold": "shuffled folds",
    "stratified": "shuffled folds that keep the classes' shares",
    "group": "groups stay together",
    "stratified-group": "groups stay together, classes keep their shares as far as they can",
    "leave-one-group-out": "each group is held out once",
    "predefined": "the folds that the data give",
    "forward": "training before validation, in the order of time",
}


def describe_parts() -> str:
    """Models, data sets, splitters, metrics and recipe parts, one a line with their arguments and defaults."""
    return "\n\n".join("\n".join([heading, *lines]) for heading, lines in _build_sections())


def _build_sections() -> Iterator[tuple[str, list[str]]]:
    yield "Models", [_line(name, _spell(read_signature(MODELS[name], "model"))) for name in MODELS]
    shapes = {
        name: f"{entry.title}: {entry.train_images:,} and {entry.test_images:,} images of "
        f"{'×'.join(map(str, entry.image_shape))}"
        for name, entry in DATASETS.items()
    }
    yield "Data sets", [_line(name, text) for name, text in shapes.items()]
    yield "Sources of data, for define", [*_list_kind("data")]
    yield "Splitters", [_line(name, text) for name, text in _SPLITTERS.items()]
    yield (
        "Metrics",
        [_line(name, f"{metric.better} is better; {', '.join(metric.tasks)}") for name, metric in METRICS.items()],
    )
    for heading, kind in (
        ("Losses", "loss"),
        ("Optimizers", "optimizer"),
        ("Schedules", "schedule"),
        ("Augmentations", "augment"),
    ):
        yield heading, [*_list_kind(kind)]


def _list_kind(kind: str) -> Iterator[str]:
    for name in SHIPPED_PARTS[kind]:
        yield _line(name, _spell(read_signature(locate(kind, name), kind)))


def _spell(signature: Signature) -> str:
    return ", ".join(map(_spell_argument, signature.arguments)) or "no arguments"


def _spell_argument(argument: Argument) -> str:
    if argument.choices:
        takes = "|".join(map(str, argument.choices))
        return f"{argument.name}: {takes}" + ("" if argument.required else f" (default {argument.default})")
    return argument.name if argument.required else f"{argument.name}={argument.default}"


def _line(name: str, text: str) -> str:
    return f"  {name:24} {text}"
