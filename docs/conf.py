"""Sphinx: the guide, and the documents that it links to, as a site.

The source folder is the whole repository, so that a link in Markdown leads to the same file here and on a code host:

    python -m sphinx --fail-on-warning -c docs . docs/_site
"""

import inspect
import re
import sys
from dataclasses import MISSING, is_dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from docutils import nodes
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import tune_app  # noqa: E402

project = "tune_app"
release = version = tune_app.__version__
copyright = "the authors of tune_app"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    *("*.md", "docs/*.md", "examples/*.md", "examples/*/*.md"),
    *("results/*/*.md", "results/*/*/*.md", "data/MNIST/README.md"),
]
exclude_patterns = [".*", "**/.*", "runs", "build", "dist", "docs/_site", "results/*.partial*", "**/__pycache__"]

myst_heading_anchors = 3  # those that a code host gives to headings
suppress_warnings = ["myst.header", "toc.not_included"]  # tables written by studies, and pages that links lead to

default_role = "code"  # docstrings are Markdown: one backtick
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "tune_app"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
pygments_style, pygments_dark_style = "friendly", "github-dark"


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """The side bar has the numbered pages of index.md under its headings: one list for readers and for Sphinx."""
    for title, part in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", source[0], re.MULTILINE | re.DOTALL):
        pages = re.findall(r"^\d+\. \[.*?\]\(([\w-]+)\.md\)", part, re.MULTILINE)
        if pages:
            listed = "\n".join(f"/docs/{name}" for name in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{listed}\n```\n"


def add_reference(app: Sphinx, page: str, source: list[str]) -> None:
    """Every public name with its docstring, functions first, then classes, then errors."""
    parts: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for name in sorted(set(tune_app.__all__) - {"__version__"}):
        value = getattr(tune_app, name)
        if not inspect.isclass(value):
            parts["Functions"].append(f".. autofunction:: tune_app.{name}")
        elif issubclass(value, Exception):
            parts["Errors"].append(f".. autoexception:: tune_app.{name}")
        else:
            parts["Classes"].append(f".. autoclass:: tune_app.{name}\n   :members:")
    for title, directives in parts.items():
        source[0] += f"\n## {title}\n\n```{{eval-rst}}\n" + "\n\n".join(directives) + "\n```\n"


def extend_page(app: Sphinx, page: str, source: list[str]) -> None:
    extend = {"docs/index": add_contents, "docs/reference": add_reference}.get(page)
    if extend:
        extend(app, page, source)


def spell_type(annotation: Any) -> str:
    """A type as people write it: without the checks that pydantic attaches to it."""
    if get_origin(annotation) is Annotated:
        return spell_type(get_args(annotation)[0])
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(dict.fromkeys(map(spell_type, arguments)))
    name = "None" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))
    if name == "ndarray":
        return name  # its shape and its types stand in the docstring
    listed = ", ".join("..." if each is Ellipsis else spell_type(each) for each in arguments)
    return f"{name}[{listed}]" if arguments else name


def spell_default(value: Any) -> str:
    """A section or a container that is made for each object is shown as its type alone."""
    plain = isinstance(value, str | int | float | tuple | NoneType | Path)
    return repr(value) if plain else f"{type(value).__name__}()"


def spell_signature(app: Sphinx, kind: str, name: str, value: Any, *_: Any) -> tuple[str, None] | None:
    """The signature of a class of fields: each with its type and its default."""
    if kind != "class" or not (issubclass(value, BaseModel) or is_dataclass(value)):
        return None
    fields = []
    if issubclass(value, BaseModel):
        for key, field in value.model_fields.items():
            told = f"{field.alias or key}: {spell_type(field.annotation)}"
            default = field.get_default(call_default_factory=True, validated_data={})
            fields.append(told if field.is_required() else f"{told} = {spell_default(default)}")
        return f"(*, {', '.join(fields)})", None
    types = get_type_hints(value, include_extras=True)
    for each in (each for each in dataclass_fields(value) if each.init):
        told = f"{each.name}: {spell_type(types[each.name])}"
        default = each.default if each.default_factory is MISSING else each.default_factory()
        fields.append(told if default is MISSING else f"{told} = {spell_default(default)}")
    return f"({', '.join(fields)})", None


class Writer(HTML5Translator):
    """Files of the repository that a page links to are shown by the browser, not saved."""

    def visit_download_reference(self, node: nodes.Element) -> None:
        super().visit_download_reference(node)
        self.body[-1] = self.body[-1].replace(' download=""', "")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", extend_page)
    app.connect("autodoc-process-signature", spell_signature)
    app.set_translator("html", Writer)
    return {"parallel_read_safe": True}
