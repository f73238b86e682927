"""Hashes of what a trial's numbers depend on besides its id: the source of its network, the arrays of its data set."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tune_app.data import Data
from tune_app.models import MODELS
from tune_app.records.model import RecordSet
from tune_app.study import TrialSpec

_PACKAGE = "tune_app.models"
LENGTH = 16  # hexadecimal digits: enough to tell versions of one file apart


def fingerprint_source(paths: Iterable[Path]) -> str:
    """A hash of the syntax trees of Python files; comments, docstrings and formatting do not count."""
    digest = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = [part for part in node.body if not _is_text(part)]
        digest.update(_spell(tree).encode() + b"\0")
    return digest.hexdigest()[:LENGTH]


def _spell(part: object) -> str:
    """A syntax tree as text. What is empty is left out: `ast.dump` shows it on some versions of Python only."""
    if isinstance(part, ast.AST):
        shown = [
            f"{name}={_spell(value)}" for name, value in ast.iter_fields(part) if value is not None and value != []
        ]
        return f"{type(part).__name__}({', '.join(shown)})"
    return f"[{', '.join(map(_spell, part))}]" if isinstance(part, list) else repr(part)


def _is_text(statement: ast.stmt) -> bool:
    """Whether the statement is a text by itself, as a docstring is."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@lru_cache(maxsize=256)
def fingerprint_model(model: str) -> str:
    """A hash of the source that builds the network; nothing is imported for it."""
    return fingerprint_source(find_closure(MODELS.find_source(model)))


def find_closure(source: Path) -> list[Path]:
    """A network's file, then those beside it that it imports, itself or through others, by name."""
    found, left = {source}, [source]
    while left:
        new = _find_imported(left.pop()) - found
        found |= new
        left += new
    return [source, *sorted(found - {source})]


def _find_imported(source: Path) -> set[Path]:
    modules: list[str] = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:  # modules of it, or names in its __init__
            modules += [f"{_PACKAGE}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    names = [module.removeprefix(f"{_PACKAGE}.") for module in modules if module.startswith(f"{_PACKAGE}.")]
    return {path for name in names if (path := source.parent / f"{name}.py").is_file()}


def build_fingerprints(spec: TrialSpec, dataset: Data) -> dict[str, str]:
    """What a fit of the trial depends on besides its id."""
    return {"model": fingerprint_model(spec.model), "data": dataset.fingerprint}


def find_changes(specs: Iterable[TrialSpec], records: RecordSet, dataset: Data | None = None) -> list[str]:
    """A sentence for each network, and the data set if given, that has changed since fits of the trials were made.

    Records without fingerprints, which earlier versions wrote, are taken as they are.
    """
    changed: Counter[str] = Counter()
    for spec in specs:
        now = {"model": fingerprint_model(spec.model)} | ({"data": dataset.fingerprint} if dataset else {})
        names = {"model": f"model {spec.model}", "data": f"data set {spec.dataset}"}
        for fold in range(spec.folds):
            if records.is_completed(spec.id, fold):
                then = records.folds[spec.id, fold].fingerprints
                changed.update(names[kind] for kind, value in now.items() if then.get(kind, value) != value)
    return [f"{what} has changed since {fits} of its fits were made" for what, fits in changed.items()]
