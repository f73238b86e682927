"""The user's own source behind a reference: its module, and what that imports from beside it."""

import ast
import importlib.util
import sys
from collections.abc import Callable, Collection
from functools import lru_cache
from importlib import metadata
from pathlib import Path

INSTALLED = ("site-packages", "dist-packages")


def find_users_modules(root: Path, allowed: Collection[str] = ()) -> list[str]:
    """The modules imported here that lie in `root`, or in a package of that name that lies in no environment."""
    found = []
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None)
        if not origin or name == "__main__" or name.partition(".")[0] == "tune_app":
            continue
        path = Path(origin)
        if set(INSTALLED) & set(path.parts):
            continue
        if path.is_relative_to(root) or name.partition(".")[0] in allowed:
            found.append(name)
    return found


def find_source(module: str) -> Path | None:
    """The file of a module, None for one without, such as a built-in; nothing but its packages is imported."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


def describe_distribution(module: str) -> str:
    """The version of the installed distribution that a module belongs to, empty for a user's own source."""
    source = find_source(module)
    if source is not None and not set(INSTALLED) & set(source.parts):
        return ""
    return _spell_versions(module.partition(".")[0])


@lru_cache(maxsize=64)  # a look through every distribution takes a while, and every trial asks
def _spell_versions(package: str) -> str:
    names = metadata.packages_distributions().get(package, [])
    return " ".join(f"{name} {metadata.version(name)}" for name in names) or package


def find_source_closure(module: str) -> list[Path]:
    """The module's file first, then the files beside it that it imports, itself or through others; sorted.

    Imports are read from the source: those that a program makes up while it runs are not seen.
    """
    source = find_source(module)
    if source is None:
        return []
    package_depth = len(module.split(".")) - (source.name != "__init__.py")
    base = source.parent if package_depth == 0 else source.parents[package_depth]
    return walk_imports(source, lambda path: _find_imports(path, base, path.stat().st_mtime_ns))


def walk_imports(source: Path, find_imports: Callable[[Path], Collection[Path]]) -> list[Path]:
    """The file first, then those that it imports, itself or through others, sorted."""
    found, left = {source}, [source]
    while left:
        new = set(find_imports(left.pop())) - found
        found |= new
        left += new
    return [source, *sorted(found - {source})]


@lru_cache(maxsize=4096)  # every trial asks again
def _find_imports(source: Path, base: Path, written: int) -> frozenset[Path]:
    """The files that a file imports; `written` is when it was (ns), so that an edited one is read again."""
    found: set[Path] = set()
    here = source.parent.relative_to(base).parts if source.is_relative_to(base) else ()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found |= _find_files(alias.name.split("."), base)
        elif isinstance(node, ast.ImportFrom):
            start = list(here[: len(here) - node.level + 1]) if node.level else []
            parts = [*start, *(node.module.split(".") if node.module else [])]
            found |= _find_files(parts, base)
            for alias in node.names:
                found |= _find_files([*parts, alias.name], base)
    return frozenset(found)


def _find_files(parts: list[str], base: Path) -> set[Path]:
    """The files that importing a module runs: its own, and the `__init__.py` of each package around it.

    This package is left out, wherever it lies: its version is in a study's environment.
    """
    if parts[:1] == ["tune_app"]:
        return set()
    found = set()
    for depth in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:depth])
        found |= {path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()}
    return found
