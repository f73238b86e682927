"""The public names: listed once, importable, documented, and light."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import tune_app
from tests.builders import build_study
from tune_app import errors
from tune_app.session.options import OptionValues, RunOptions

ROOT = Path(__file__).parents[1]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = [name for name in tune_app.__all__ if name != "__version__"]


def typed_names() -> dict[str, str]:
    """Name → module of the imports that type checkers and editors see."""
    tree = ast.parse((ROOT / "tune_app" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        str(alias.asname): str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }


def test_the_list_the_types_and_the_documentation_agree() -> None:
    assert typed_names() == tune_app._PLACES
    assert sorted(tune_app.__all__) == dir(tune_app)
    assert list(tune_app._PLACES) == sorted(tune_app._PLACES)
    assert set(re.findall(r"`tune_app\.(\w+)`", API)) == set(tune_app.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(tune_app, name)
    assert value.__name__ == name
    assert value.__doc__, f"{name} has no docstring"
    generated = f"{name}("  # what dataclasses and pydantic write where nobody wrote anything
    assert not value.__doc__.startswith(generated)
    if inspect.isclass(value):
        methods = {k: v for k, v in vars(value).items() if inspect.isfunction(v) or isinstance(v, property)}
        bare = [key for key, method in methods.items() if not key.startswith("_") and not method.__doc__]
        assert not bare, f"{name} has methods without docstrings: {bare}"


def test_every_error_is_public() -> None:
    tree = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert tree <= set(NAMES)
    drawn = re.findall(r"(\w+Error)\b", str(errors.__doc__))
    assert set(drawn) == tree, "the tree is drawn"
    assert all(issubclass(getattr(tune_app, name), tune_app.TuneAppError) for name in tree)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'run_studies'"):
        tune_app.run_studies  # noqa: B018


def test_the_options_are_those_that_editors_complete_and_the_documentation_names() -> None:
    options = {field.name for field in fields(RunOptions)} - {"only", "command"}
    assert set(OptionValues.__annotations__) == options
    assert not {name for name in options if f"`{name}`" not in API}
    assert not {name for name in options if f"`{name}`" not in str(RunOptions.__doc__)}


def loaded_by(code: str, folder: Path) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after `code`."""
    script = f"import sys, json\n{code}\nprint(json.dumps([name for name in sys.modules if '.' not in name]))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1])) & {"torch", "ray", "pandas", "sklearn", "altair", "pydantic"}


def test_importing_the_package_loads_nothing(tmp_path: Path) -> None:
    assert loaded_by("import tune_app; dir(tune_app)", tmp_path) == set()


@pytest.mark.slow
def test_results_and_their_frames_need_neither_torch_nor_ray(tmp_path: Path) -> None:
    code = f"""
import tune_app
results = tune_app.read_results({str(ROOT / "results" / "report")!r})
frames = results.build_frames()
assert len(results.contrasts) and len(results.verdicts) and len(results.networks) and results._repr_html_()
assert results.build_figures() and tune_app.compare_results(results, results)._repr_html_()
"""
    assert not loaded_by(code, tmp_path) & {"torch", "ray"}


def test_a_finished_study_needs_neither_torch_nor_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tune_app.write_study("small.yaml", build_study())
    assert len(tune_app.run_study("small.yaml", executor="inline", progress=False).folds) == 6
    code = """
import tune_app
results = tune_app.run_study("small.yaml", progress=False)
assert len(results.folds) == 6
"""
    assert not loaded_by(code, tmp_path) & {"torch", "ray"}


@pytest.mark.slow
def test_the_snippets_of_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "snippets"}
    for snippet in re.findall(r"^```python\n(.*?)^```$", API, re.MULTILINE | re.DOTALL):
        exec(compile(snippet, "docs/api.md", "exec"), names)
    assert not capsys.readouterr().err
    assert (tmp_path / "results" / "longer" / "index.html").is_file()
