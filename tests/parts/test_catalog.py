"""What ships is reached as a user's part is: by a reference to a function, with a signature that is read from it."""

from pathlib import Path

import pytest

from tune_app.models import MODELS
from tune_app.parts.catalog import SHIPPED_PARTS, locate, read_definition
from tune_app.parts.references import Scope
from tune_app.parts.signatures import read_signature
from tune_app.study.define import Definition
from tune_app.study.signatures import SHIPPED

EVERY = [(kind, name, reference) for kind, parts in SHIPPED_PARTS.items() for name, reference in parts.items()]


@pytest.mark.parametrize(("kind", "name", "reference"), EVERY)
def test_a_part_that_ships_is_a_function_that_a_reference_names(
    tmp_path: Path, kind: str, name: str, reference: str
) -> None:
    by_name, by_reference = locate(kind, name), locate(kind, reference, Scope(tmp_path))
    assert by_name.__module__ == by_reference.__module__
    assert by_name.__name__ == by_reference.__name__
    assert read_signature(by_name, kind) == read_signature(by_reference, kind)


@pytest.mark.parametrize("model", MODELS)
def test_the_arguments_of_a_network_that_ships_are_those_of_its_factory(model: str) -> None:
    arguments = {argument.name: argument for argument in read_signature(MODELS[model], "model").arguments}
    assert set(arguments) == set(SHIPPED.factors) == {"width", "regularizer"}
    assert {name: a.kind for name, a in arguments.items()} == {a.name: a.kind for a in SHIPPED.arguments}


def test_a_network_that_ships_can_be_named_by_reference_with_the_same_factors(tmp_path: Path) -> None:
    content = {"model": "tune_app.models.cnn:build_cnn", "width": 0.5}
    signature = read_definition(Definition.model_validate(content), Scope(tmp_path))
    assert set(signature.factors) == set(SHIPPED.factors)
