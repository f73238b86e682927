"""Sphinx: the guide, and the documents that it links to, as a site.

The source folder is the whole repository, so that a link in Markdown leads to the same file here and on a code host:

    python -m sphinx --fail-on-warning -c docs . docs/_site
"""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
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


class Writer(HTML5Translator):
    """Files of the repository that a page links to are shown by the browser, not saved."""

    def visit_download_reference(self, node: nodes.Element) -> None:
        super().visit_download_reference(node)
        self.body[-1] = self.body[-1].replace(' download=""', "")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", extend_page)
    app.set_translator("html", Writer)
    return {"parallel_read_safe": True}
