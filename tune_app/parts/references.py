"""A reference such as `my_package.nets:build_net` → what it names, if that may be used.

Allowed are modules whose file lies beside the study, this package, and packages that the command line allows. The
module of what was found is checked, not the spelling: an allowed module may hold a function of a forbidden one. A study
runs its author's code all the same; this is no sandbox.
"""

import functools
import importlib
import importlib.util
import inspect
import sys
import textwrap
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tune_app.errors import StudyError, choices

OWN_PACKAGE = "tune_app"
TRACE_INDENT = "    "  # of the lines of a traceback: they belong to the problem above them


@dataclass(frozen=True)
class Scope:
    """Where references may lead: modules beside the study (`root`), and the packages allowed by name."""

    root: Path
    allowed: tuple[str, ...] = ()

    def make_importable(self) -> None:
        """Put the study's folder first on the path; forget modules of the same names from another folder."""
        folder = str(self.root)
        if sys.path[:1] != [folder]:
            sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
        importlib.invalidate_caches()

    def holds(self, path: Path) -> bool:
        """Whether a file lies beside the study, and in no environment that lies there, too."""
        if not path.is_relative_to(self.root):
            return False
        return not {"site-packages", "dist-packages"} & set(path.relative_to(self.root).parts)


def resolve(reference: str, scope: Scope) -> Any:
    """What the reference names; StudyError with the rule that it breaks, or with the cause of a failing import.

    A module that was imported from another folder, or that has changed since, is imported again.
    """
    module_name, colon, attribute = reference.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise StudyError(f"reference {reference!r} is none; write module:function, such as my_package.nets:build_net")
    check_module(module_name, scope)
    found = getattr(_import(module_name, scope), attribute, _MISSING)
    if found is _MISSING:
        held = vars(sys.modules[module_name]).items()
        public = [name for name, value in held if callable(value) and not name.startswith("_")]
        raise StudyError(f"{module_name} has no {attribute!r}{choices(attribute, public)}")
    if not callable(found):
        raise StudyError(
            f"{reference} is {type(found).__name__}, no function and no class; name one that can be called"
        )
    written = _unwrap(found)
    home = str(getattr(written, "__module__", None) or getattr(type(written), "__module__", ""))
    if home != module_name:
        try:
            check_module(home, scope)
        except StudyError as error:
            raise StudyError(f"{reference} is {home}:{getattr(written, '__name__', attribute)}; {error}") from None
    return found


_MISSING = object()


def check_module(name: str, scope: Scope) -> None:
    """Raise StudyError unless the module may be used; nothing of it is imported."""
    package = name.partition(".")[0]
    if package in (OWN_PACKAGE, *scope.allowed):
        return
    found = _find_file(name, scope)
    if found is None:
        beside = sorted(path.stem for path in scope.root.glob("*.py"))
        beside += sorted(path.parent.name for path in scope.root.glob("*/__init__.py"))
        raise StudyError(f"there is no module {name!r} beside the study{choices(name, beside)}")
    if not scope.holds(found):
        is_pythons = package in sys.stdlib_module_names
        remedy = "" if is_pythons else f"allow it with --allow {package}, or "
        raise StudyError(
            f"module {name!r} is not beside the study ({scope.root}); {remedy}name a function in one of yours"
        )


def _find_file(name: str, scope: Scope) -> Path | None:
    """The file of a module, looked for beside the study first; a built-in module has the folder that Python is in."""
    base = scope.root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path.resolve()
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    return Path(spec.origin).resolve() if spec.has_location and spec.origin else Path(sys.base_prefix)


def _import(name: str, scope: Scope) -> ModuleType:
    scope.make_importable()
    _forget_others(scope)
    try:
        module = importlib.import_module(name)
    except BaseException as error:  # whatever the user's module raises while it is imported
        if isinstance(error, KeyboardInterrupt):
            raise
        raise StudyError(f"importing {name} failed: {describe_with_traceback(error, scope)}") from error
    finally:
        _note_files(scope)  # those of a module that failed have run, too
    origin = Path(getattr(module, "__file__", None) or sys.base_prefix).resolve()
    if name.partition(".")[0] not in (OWN_PACKAGE, *scope.allowed) and not scope.holds(origin):
        raise StudyError(f"{name} beside the study is hidden by {origin}, which Python finds first; rename yours")
    return module


_seen: dict[str, float] = {}  # module's name → when its file was written, as of its import


def _forget_others(scope: Scope) -> None:
    """Drop modules that the study's folder has too, and that come from another folder or an earlier state of a file.

    What belongs to them goes as well: a package half of which is old is worse than one that is imported again.
    """
    known = {name: Path(str(sys.modules[name].__file__)) for name in _seen if name in sys.modules}
    is_stale = any(
        not path.is_file()
        or path.stat().st_mtime != _seen[name]
        or (not scope.holds(path) and _lies_beside(name, scope))
        for name, path in known.items()
    )
    for name in known if is_stale else ():
        del sys.modules[name]


def _lies_beside(name: str, scope: Scope) -> bool:
    base = scope.root.joinpath(*name.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def _note_files(scope: Scope) -> None:
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None)
        if not origin or not origin.startswith(str(scope.root)):  # of thousands of modules few are anywhere near
            continue
        path = Path(origin)
        is_ours = name == "__main__" or name.partition(".")[0] == OWN_PACKAGE
        if name not in _seen and not is_ours and scope.holds(path) and path.is_file():
            _seen[name] = path.stat().st_mtime


def _unwrap(found: Any) -> Any:
    """What was written somewhere and is called in the end: behind partials and decorators."""
    while isinstance(found, functools.partial):
        found = found.func
    return inspect.unwrap(found) if callable(found) else found


def describe_users_error(error: BaseException, scope: Scope) -> str:
    """The error in a line, with the last place in the user's own files that it went through."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.msg} ({_spell_place(Path(error.filename), error.lineno or 0, scope)})"
    message = str(error).strip().splitlines()[:1]
    text = message[0] if message else ""
    kind = "" if isinstance(error, ImportError) and text else type(error).__name__
    place = find_users_place(error, scope)
    return ": ".join(part for part in (kind, text) if part) + (f" ({place})" if place else "")


def find_users_place(error: BaseException, scope: Scope) -> str:
    """`nets.py, line 3`: the last place in files beside the study, empty if there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if scope.holds(Path(frame.filename))]
    return _spell_place(Path(frames[-1].filename), frames[-1].lineno or 0, scope) if frames else ""


def describe_with_traceback(error: BaseException, scope: Scope) -> str:
    """The error in a line, and indented below it the traceback through the user's own files, if it has any."""
    trace = format_users_traceback(error, scope)
    return describe_users_error(error, scope) + (f"\n{trace}" if trace else "")


def describe_refusal(error: Exception, scope: Scope) -> str:
    """The message of an error of ours, and below it the traceback of the user's code that it comes from, if any."""
    trace = format_users_traceback(error.__cause__, scope) if error.__cause__ else ""
    return str(error) + (f"\n{trace}" if trace else "")


def format_users_traceback(error: BaseException, scope: Scope) -> str:
    """The traceback from the first frame in the user's files on, indented: what came before is ours and says nothing.

    Of a file that cannot be read as Python it is the line, empty for an error that no file of the user's is part of.
    """
    every = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in every if not frame.filename.startswith("<frozen importlib")]
    first = next((index for index, frame in enumerate(frames) if scope.holds(Path(frame.filename))), len(frames))
    is_unreadable = isinstance(error, SyntaxError) and scope.holds(Path(error.filename or ""))
    if first == len(frames) and not is_unreadable:
        return ""
    lines = traceback.format_list(frames[first:]) + traceback.format_exception_only(error)
    return textwrap.indent("".join(lines).rstrip(), TRACE_INDENT, lambda line: True)


def _spell_place(path: Path, line: int, scope: Scope) -> str:
    shown = path.relative_to(scope.root) if path.is_relative_to(scope.root) else path
    return f"{shown}, line {line}"
