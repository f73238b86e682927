"""The statements of users' source that a part can run: a function that it never names does not count as its code."""

import ast
from collections.abc import Iterable, Sequence

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
# Code that holds one of these may find a function by a name that it makes up.
BY_NAME = frozenset({"getattr", "globals", "locals", "vars", "eval", "exec", "__dict__", "__import__", "import_module"})


def keep_reachable(trees: Sequence[ast.Module], entry: str) -> None:
    """Leave in the trees, which form one closure, what may run when `entry` is imported and called; in place.

    Left out are top-level functions, classes, imports and constants whose names nothing that is kept mentions, in any
    of the files. Doubt keeps: what has a decorator, a class of a base that is defined here, an assignment that calls
    something, and everything once the code looks things up by name.
    """
    statements = [statement for tree in trees for statement in tree.body]
    defined = {statement.name for statement in statements if isinstance(statement, Definition)}
    optional = [statement for statement in statements if _is_optional(statement, defined)]
    names = set(entry.split(".")) | _find_names(statement for statement in statements if statement not in optional)
    left = optional
    while new := [statement for statement in left if _find_bound(statement) & names]:
        names |= _find_names(new)
        left = [statement for statement in left if statement not in new]
    if names & BY_NAME:
        return
    for tree in trees:
        tree.body = [statement for statement in tree.body if statement not in left]


def _is_optional(statement: ast.stmt, defined: set[str]) -> bool:
    """Whether nothing happens by the statement alone but that names are bound."""
    if isinstance(statement, ast.ClassDef):
        has_own_base = bool(_find_names(statement.bases) & defined)
        return not statement.decorator_list and not statement.keywords and not has_own_base
    if isinstance(statement, Definition):
        return not statement.decorator_list
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return all(alias.name != "*" for alias in statement.names)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        calls = any(isinstance(node, ast.Call) for node in ast.walk(statement))
        return not calls and all(isinstance(target, ast.Name) for target in targets)
    return False


def _find_bound(statement: ast.stmt) -> set[str]:
    """The names that an optional statement binds."""
    if isinstance(statement, Definition):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _find_names(statements: Iterable[ast.AST]) -> set[str]:
    """Every name that the statements read: variables, attributes, imported names, and texts that could be names."""
    names: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names |= set(node.name.split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names
