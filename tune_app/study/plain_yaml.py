"""Plain YAML in and out: version 1.2's words and numbers, each key once, and bounds on what a text may grow to.

YAML 1.1, which PyYAML reads, takes `no` for false, `010` for 8, `1e-3` for a text and `1:30` for 90. Here `true` and
`false` are the only truth values, numbers are decimal (`0o17` and `0x1f` beside them), and a date is a text.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

LONGEST_TEXT = 2**20  # characters; a study of a thousand grid entries has a tenth of it
DEEPEST = 32  # of lists and mappings in each other; a study has five
MOST_VALUES = 100_000  # once aliases are replaced by what they stand for
_CORE = {
    "null": (r"~|null|Null|NULL|", ("~", "n", "N", "")),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+(?:_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "merge": (r"<<", "<"),
}


class PlainYamlError(ValueError):
    """Why a text is no plain YAML, with the place."""


class _Loader(yaml.SafeLoader):
    """Of two equal keys YAML's own rule keeps the last without a word: here they are told."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as the base class has it

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: dict[str, None] = {}  # sentences on keys that are given twice

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in own]
        for index, (key, place) in enumerate(zip(keys, own, strict=True)):
            if key in keys[:index]:
                error = yaml.MarkedYAMLError(problem=f"the key {key!r} is given twice", problem_mark=place.start_mark)
                self.twice[" ".join(str(error).split())] = None
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


class _Dumper(yaml.SafeDumper):
    """A text that either version would take for something else is quoted."""

    yaml_implicit_resolvers: dict[str, Any] = {  # noqa: RUF012
        first: list(resolvers) for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


for _name, (_pattern, _first) in _CORE.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)


def read_yaml(text: str) -> tuple[Any, list[str]]:
    """What the text says, and sentences on keys that it gives twice.

    Raises PlainYamlError for what is no plain YAML, and for a text that is too long, nested too deeply or too large
    once its aliases are replaced.
    """
    if len(text) > LONGEST_TEXT:
        raise PlainYamlError(f"it has {len(text):,} characters, at most {LONGEST_TEXT:,} are read")
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, []
        if _measure_depth(node, {}) > DEEPEST:
            raise PlainYamlError(f"it is nested too deeply: more than {DEEPEST} lists and mappings in each other")
        if (values := _count_values(node, {})) > MOST_VALUES:
            raise PlainYamlError(f"its aliases stand for {values:,} values, at most {MOST_VALUES:,} are read")
        return loader.construct_document(node), list(loader.twice)
    except PlainYamlError:
        raise
    except RecursionError:
        raise PlainYamlError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # a number of more digits than Python reads is a ValueError
        raise PlainYamlError(" ".join(str(error).split())) from error
    finally:
        if loader:
            loader.dispose()


def _list_children(node: yaml.Node) -> list[yaml.Node]:
    children = node.value if isinstance(node, yaml.CollectionNode) else ()
    return [each for child in children for each in (child if isinstance(child, tuple) else (child,))]


def _measure_depth(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes of a node lie in each other at most; `known` has nodes measured before."""
    if id(node) not in known:
        known[id(node)] = 0  # for one that holds itself, which is counted below
        known[id(node)] = 1 + max((_measure_depth(each, known) for each in _list_children(node)), default=0)
    return known[id(node)]


def _count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """The values of a node, those behind an alias as often as it stands; `known` has nodes counted before."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # for one that holds itself
        known[id(node)] = 1 + sum(_count_values(each, known) for each in _list_children(node))
    return known[id(node)]


def write_yaml(content: Mapping[str, Any]) -> str:
    """The content as a text that `read_yaml` reads back."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
