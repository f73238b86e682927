"""Hashes of what a trial's numbers depend on besides its id: the source of its network, the arrays of its data set."""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tune_app.data import Data, pick_data
from tune_app.errors import StudyError
from tune_app.models import MODELS
from tune_app.parts.closure import describe_distribution, find_source_closure, walk_imports
from tune_app.parts.reachable import keep_reachable
from tune_app.records.model import RecordSet
from tune_app.study import TrialSpec
from tune_app.study.define import Definition

_PACKAGE = "tune_app.models"
_METRIC, _VERSION = "metric ", "-v"
LENGTH = 16  # hexadecimal digits: enough to tell versions of one file apart


def fingerprint_source(paths: Iterable[Path], entry: str = "") -> str:
    """A hash of the syntax trees of Python files; comments, docstrings and formatting do not count.

    With `entry`, a name in the first file, neither does what its code cannot reach.
    """
    digest = hashlib.sha256()
    for text in _spell_files(tuple((path, path.stat().st_mtime_ns) for path in paths), entry):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:LENGTH]


@lru_cache(maxsize=1024)  # every trial asks again
def _spell_files(files: tuple[tuple[Path, int], ...], entry: str) -> list[str]:
    """The files' syntax trees as texts; beside each is when it was written (ns), so that an edited one is read anew."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path, _ in files]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    if entry:
        keep_reachable(trees, entry)
    return [_spell(tree) for tree in trees]


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
    return walk_imports(source, _find_imported)


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


def fingerprint_definition(definition: Definition, root: Path | None = None) -> str:
    """A hash of the source behind a study's own part, and of the files that it names; paths count from `root`.

    Of a part of an installed package it is the package's version.
    """
    module, colon, name = definition.reference.partition(":")
    if not colon:
        own = fingerprint_model(definition.reference) if definition.kind == "model" else ""
    elif version := describe_distribution(module):
        own = version
    else:
        own = fingerprint_source(find_source_closure(module), name)
    names = (*definition.files, *([definition.weights] if definition.weights else []))
    if not names:
        return own
    digest = hashlib.sha256(own.encode())
    for name in names:
        path = (root or Path.cwd()) / name
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise StudyError(f"{name} cannot be read: {error.strerror}; its path counts from the study") from error
    return digest.hexdigest()[:LENGTH]


def fingerprint_files(definitions: Iterable[Definition], root: Path) -> dict[str, str]:
    """The files in `root` that a study's own parts are made of, by their paths from there, with a hash of each.

    Of a Python file it is that of its syntax tree, of what a definition lists under `files` or `weights` its bytes'.
    """
    found = {}
    for definition in definitions:
        module, colon, _ = definition.reference.partition(":")
        sources = find_source_closure(module) if colon and not describe_distribution(module) else []
        for path in sources:
            if path.resolve().is_relative_to(root.resolve()):
                found[path.resolve().relative_to(root.resolve()).as_posix()] = fingerprint_source([path])
        for name in (*definition.files, *([definition.weights] if definition.weights else [])):
            found[name] = hashlib.sha256((root / name).read_bytes()).hexdigest()[:LENGTH]
    return dict(sorted(found.items()))


def fingerprint_code(
    spec: TrialSpec, root: Path | None = None, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The source that a fit of the trial depends on: of its network, and of each part that the study defines.

    What is `known` of loaders is taken as it is: they ran where the study was started, and need not be here.
    """
    found = {}
    for name in (spec.model, *sorted(spec.definitions)):
        definition = spec.definitions.get(name)
        if definition is not None and definition.kind == "data" and name in (known or {}):
            found[name] = (known or {})[name]
        elif name == spec.model:
            found["model"] = fingerprint_definition(definition, root) if definition else fingerprint_model(name)
        elif definition is not None and (value := fingerprint_definition(definition, root)):
            found[name] = value
    return found


def fingerprint_metrics(definitions: Mapping[str, Definition], root: Path | None = None) -> dict[str, str]:
    """What the values of a study's own metrics depend on: their source and their arguments, which no id hashes.

    A version that was raised stands at the end: a change that comes with one was stated by the user.
    """
    found = {}
    for name, definition in definitions.items():
        if definition.kind == "metric" and ":" in definition.reference:
            told = json.dumps(definition.model_dump(mode="json"), sort_keys=True)
            content = f"{told} {fingerprint_definition(definition, root)}"
            value = hashlib.sha256(content.encode()).hexdigest()[:LENGTH]
            found[f"{_METRIC}{name}"] = value if definition.version == 1 else f"{value}{_VERSION}{definition.version}"
    return found


def build_fingerprints(
    spec: TrialSpec, dataset: Data, root: Path | None = None, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a fit of the trial depends on besides its id; `known` is as for `fingerprint_code`."""
    return fingerprint_code(spec, root, known) | {"data": dataset.fingerprint}


Fit = tuple[str, int]  # trial, fold


@dataclass(frozen=True)
class Change:
    """What has changed since fits were made: a part or the data, its name, and the fits (trial, fold).

    `metric` names one of which the scores alone depend, and no training; `is_stated`: its version has been raised.
    """

    what: str
    fits: tuple[Fit, ...]
    metric: str = ""
    is_stated: bool = False

    @property
    def sentence(self) -> str:
        return f"{self.what} has changed since {len(self.fits)} of its fits were made"


def find_changes(
    specs: Iterable[TrialSpec],
    records: RecordSet,
    data: Data | Mapping[str, Data] | None = None,
    root: Path | None = None,
    metrics: Mapping[str, Definition] | None = None,
) -> list[Change]:
    """Each network, part, metric and, if given, data set that has changed since fits of the trials were made.

    `metrics` are the definitions of those that score the fits.

    Records without fingerprints, which earlier versions wrote, are taken as they are.
    """
    changed: dict[tuple[str, str, bool], dict[Fit, None]] = {}
    scored = fingerprint_metrics(metrics or {}, root)
    for spec in specs:
        own = {} if data is None else {"data": pick_data(data, spec.dataset).fingerprint}
        now = fingerprint_code(spec, root) | scored | own
        for fold in range(spec.folds):
            if not records.is_completed(spec.id, fold):
                continue
            then = records.folds[spec.id, fold].fingerprints
            kinds = [kind for kind, value in now.items() if then.get(kind, value) != value]
            for kind in kinds:
                metric = kind.removeprefix(_METRIC) if kind in scored else ""
                if metric in kinds:
                    continue  # early stopping watches it: it is a change of the training already
                is_stated = bool(metric) and _read_version(then[kind]) != _read_version(now[kind])
                changed.setdefault((_name_part(spec, kind), metric, is_stated), {})[spec.id, fold] = None
    return [Change(what, tuple(fits), metric, stated) for (what, metric, stated), fits in changed.items()]


def _read_version(fingerprint: str) -> str:
    return fingerprint.partition(_VERSION)[2]


def _name_part(spec: TrialSpec, kind: str) -> str:
    if kind == "model":
        return f"model {spec.model}"
    if kind.startswith(_METRIC):
        return kind
    return f"data set {spec.dataset}" if kind == "data" else f"{spec.definitions[kind].kind} {kind}"
