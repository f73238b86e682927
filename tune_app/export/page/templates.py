"""The page's templates, opened once."""

from functools import cache
from pathlib import Path

import jinja2

HERE = Path(__file__).parent


@cache
def open_templates(folder: Path = HERE) -> jinja2.Environment:
    """The templates of a folder, which escape what they are given."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_part(macro: str, part: object) -> str:
    """A part of the page by itself, by a macro of parts.html."""
    return str(getattr(open_templates().get_template("parts.html").module, macro)(part))
