"""What trials need on other machines, copied into folders that a cluster is sent: this package, and the user's source.

The user's files lie in the copy as they lie here: below one folder that stands for the root of the file system. So
relative paths between them hold, and a study's paths count from the copy of its folder.
"""

import ast
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path

from tune_app.errors import StudyError
from tune_app.parts.closure import INSTALLED, find_source, find_source_closure, find_users_modules
from tune_app.parts.references import OWN_PACKAGE, Scope
from tune_app.study.define import Definition

PACKAGE = Path(__file__).resolve().parents[1]
TRAVELS = ("study", "models", "data", "parts", "engine", "plan", "trial", "records", "executors")  # rooms of a trial
COMMANDS = ("grid.py", "report.py")
COPY = "tune_app_study"  # the package that the user's source travels in
MOST_BYTES = 500 * 2**20  # Ray sends packages of up to 512 MiB


def stage_source(folder: Path) -> Path:
    """Copy what trials import of this package into `folder`, nothing else, and return the copy.

    A checkout's links become files, and a cluster is sent no archives, no tables and no page.
    """
    target = folder / PACKAGE.name
    whole = (path for path in PACKAGE.glob("*.py") if path.name not in COMMANDS)
    for source in sorted([*whole, *(path for room in TRAVELS for path in (PACKAGE / room).rglob("*.py"))]):
        _copy(source, target / source.relative_to(PACKAGE))
    return target


def stage_study(folder: Path, scope: Scope, definitions: Mapping[str, Definition]) -> Path:
    """Copy the source behind a study's parts, and the files that they name, into `folder`; return the copy.

    Of a package all Python source travels, of an installed one nothing. Files are named by paths that count from the
    study: an absolute one means a place that every node has. A loader's stay here. StudyError for more than Ray sends.
    """
    target = folder / COPY
    packages = find_users_packages(scope, definitions)
    sources = {path for base, name in packages for path in list_sources(base, name)}
    for definition in definitions.values():
        module = _module_of(definition)
        if _find_bases(module.partition(".")[0]):
            sources |= set(find_source_closure(module))
        if definition.kind == "data":
            continue  # it has been loaded: its files may be as large as the data
        names = (*definition.files, *([definition.weights] if definition.weights else []))
        sources |= {make_absolute(scope.root / name) for name in names if not Path(name).is_absolute()}
    sources = {path for path in sources if path.is_file()}  # a file that is missing is told where it is read
    size = sum(path.stat().st_size for path in sources)
    if size > MOST_BYTES:
        largest = max(sources, key=lambda path: path.stat().st_size)
        raise StudyError(
            f"the study's source and files have {size / 2**20:,.0f} MiB, a cluster is sent at most "
            f"{MOST_BYTES >> 20} MiB (the largest is {largest}); put that file at the same place on every node and "
            "name it by its absolute path, or install its package there"
        )
    for source in sorted(sources):
        _copy(source, _place(target, source))
    bases = dict.fromkeys([scope.root, *sorted(base for base, _ in packages)])
    paths = [str(_place(Path(), base)) for base in bases]
    target.mkdir(parents=True, exist_ok=True)
    (target / "__init__.py").write_text(f"PATHS = {paths!r}  # the study's folder first\n", encoding="utf-8")
    return target


def use_staged_study() -> Path | None:
    """Make the modules that a study was sent with importable here; the copy of its folder, None if it was not sent."""
    found = find_source(COPY)
    if found is None:
        return None
    paths: list[Path] = [found.parent / path for path in importlib.import_module(COPY).PATHS]
    paths[0].mkdir(parents=True, exist_ok=True)  # a folder without a file of its own may not have come
    if sys.path[: len(paths)] != [str(path) for path in paths]:
        sys.path[:0] = [str(path) for path in paths]
        importlib.invalidate_caches()
    return paths[0]


def find_users_packages(scope: Scope, definitions: Mapping[str, Definition]) -> set[tuple[Path, str]]:
    """The user's top-level modules that the study needs: (folder that it is imported from, name).

    They are those behind the definitions, those imported here from beside the study or from allowed packages, and what
    these import in turn, as far as it is installed in no environment: from `src`, or in editable mode.
    """
    modules = [_module_of(definition) for definition in definitions.values()]
    modules += find_users_modules(scope.root, scope.allowed)
    left = {module.partition(".")[0] for module in modules if module}
    seen: set[str] = set()
    found: set[tuple[Path, str]] = set()
    while left:
        name = left.pop()
        seen.add(name)
        for base in _find_bases(name):
            found.add((base, name))
            left |= {each for path in list_sources(base, name) for each in _find_imported(path)} - seen
    return found


def _find_bases(name: str) -> list[Path]:
    """The folders that a top-level module of the user's is imported from: one, but for a package without `__init__`.

    None for what is Python's, this package's, or of an installed distribution. Nothing is imported for it.
    """
    if name == OWN_PACKAGE or name in sys.stdlib_module_names:
        return []
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.has_location and spec.origin:
        origin = make_absolute(spec.origin)
        places = [origin.parent if origin.name == "__init__.py" else origin]
    else:
        places = [make_absolute(place) for place in spec.submodule_search_locations or ()]
    return [place.parent for place in places if not set(INSTALLED) & set(place.parts)]


def make_absolute(path: str | Path) -> Path:
    """The path from the root without `..`; links stay, because source may find files by the way it was reached."""
    return Path(os.path.normpath(Path(path).absolute()))


def list_sources(base: Path, name: str) -> list[Path]:
    """The Python source and compiled modules of a top-level module or package in the folder `base`."""
    suffixes = tuple(all_suffixes())
    files = [path for path in base.glob(f"{name}.*") if path.name.endswith(suffixes) and path.is_file()]
    for place, folders, names in os.walk(base / name, followlinks=True):
        inside = Path(place)
        folders[:] = [each for each in folders if not each.startswith(".") and each not in {"__pycache__", *INSTALLED}]
        files += [inside / each for each in names if each.endswith(suffixes) and not each.endswith(".pyc")]
    return files


def _module_of(definition: Definition) -> str:
    module, colon, _ = definition.reference.partition(":")
    return module if colon else ""


def _find_imported(source: Path) -> set[str]:
    """The top-level modules that a file names in imports, wherever it has them."""
    if source.suffix != ".py":
        return set()
    try:
        nodes: Iterable[ast.AST] = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError):  # a template, say, which nobody imports
        return set()
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _place(target: Path, path: Path) -> Path:
    """Where the copy of a file or folder lies: below `target` as it lies below the root."""
    return target / path.relative_to(path.anchor)


def _copy(source: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
