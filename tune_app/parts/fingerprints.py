"""Hashes of what a trial's numbers depend on besides its id: the source of its network, the arrays of its data set."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tune_app.data import Dataset
from tune_app.models import MODELS
from tune_app.records.model import RecordSet
from tune_app.study import TrialSpec

LENGTH = 16  # hexadecimal digits: enough to tell versions of one file apart


def fingerprint_source(paths: Iterable[Path]) -> str:
    """A hash of the syntax trees of Python files; comments, docstrings and formatting do not count."""
    digest = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = [part for part in node.body if not _is_text(part)]
        digest.update(ast.dump(tree).encode() + b"\0")
    return digest.hexdigest()[:LENGTH]


def _is_text(statement: ast.stmt) -> bool:
    """Whether the statement is a text by itself, as a docstring is."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@lru_cache(maxsize=256)
def fingerprint_model(model: str) -> str:
    """A hash of the source that builds the network: its family's file, and the files beside it that it imports.

    Nothing is imported for it.
    """
    own = MODELS.find_source(model)
    tree = ast.parse(own.read_text(encoding="utf-8"))
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    beside = {own.parent / f"{name.rpartition('.')[2]}.py" for name in names if name.startswith("tune_app.models.")}
    return fingerprint_source([own, *sorted(beside)])


def build_fingerprints(spec: TrialSpec, dataset: Dataset) -> dict[str, str]:
    """What a fit of the trial depends on besides its id."""
    return {"model": fingerprint_model(spec.model), "data": dataset.fingerprint}


def find_changes(specs: Iterable[TrialSpec], records: RecordSet, dataset: Dataset | None = None) -> list[str]:
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
