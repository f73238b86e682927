"""Figures as files, the same bytes for the same frames; a process beside this one draws them."""

import atexit
import base64
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO, cast

from tune_app.errors import ExportError
from tune_app.export.figures.figure import Figure
from tune_app.export.figures.layout import has_column
from tune_app.export.figures.theme import COLUMN
from tune_app.records import write_bytes_whole, write_whole

SCALE = 2.0  # PNG pixels for one unit of the drawing
SCRIPT = Path(__file__).with_name("draw.py")


class DrawnFigure(NamedTuple):
    """A figure as SVG in the light and in the dark theme, and as PNG in the light one.

    `pdfs` are those for print, of a page's width and of a column's where it has room there; none if not asked for.
    """

    svg: str
    dark_svg: str
    png: bytes
    pdfs: tuple[bytes, ...] = ()

    def list_files(self) -> dict[str, str | bytes]:
        """What there is to write, by the endings of the files' names."""
        files: dict[str, str | bytes] = {".svg": self.svg, ".dark.svg": self.dark_svg, ".png": self.png}
        return files | dict(zip((".pdf", ".column.pdf"), self.pdfs, strict=False))


@dataclass(frozen=True)
class Drawn:
    """Drawn figures by name, why others cannot be drawn, and the JavaScript that draws the page's."""

    figures: dict[str, DrawnFigure]
    failed: dict[str, str]
    library: str

    def check(self) -> None:
        """Raise ExportError if a figure could not be drawn."""
        if self.failed:
            raise ExportError("\n".join(f"figure {name} cannot be drawn: {why}" for name, why in self.failed.items()))


class _Drawer:
    """The drawing process. It answers one request after the other, and its start is paid once."""

    _running: "_Drawer | None" = None

    @classmethod
    def get(cls) -> "_Drawer":
        if cls._running is None:
            cls._running = cls()
            atexit.register(cls._running.close)
        return cls._running

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the process that asks, also while this one starts
        )
        # Never None with pipes, which the types cannot know.
        self._requests = cast(TextIO, self._process.stdin)
        self._answers = cast(TextIO, self._process.stdout)

    def ask(self, request: dict[str, Any]) -> None:
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        except OSError as error:
            raise ExportError(f"the process that draws figures has ended: {error.strerror}; draw again") from error

    def read_answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise ExportError(f"the process that draws figures ended with code {self._process.wait()}; draw again")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ExportError(f"a figure cannot be drawn: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if _Drawer._running is self:
            _Drawer._running = None
        atexit.unregister(self.close)
        self._process.kill()
        self._process.communicate()


def prepare_drawing() -> None:
    """Start the drawing process, which needs a second or two until it is ready."""
    _Drawer.get()


@contextlib.contextmanager
def drawing(figures: Iterable[Figure], prints: bool = False, titled: bool = True) -> Iterator[Callable[[], Drawn]]:
    """Have the figures drawn beside this process, with `prints` as PDF too; what is yielded waits for them.

    `titled`: with title and caption within the drawing. Raises ExportError.
    """
    drawer = _Drawer.get()
    try:
        specs = {figure.name: list(_build_specs(figure, prints, titled)) for figure in figures}
        drawer.ask({"figures": specs, "scale": SCALE})
        finish = cache(lambda: _build_drawn(drawer.read_answer()))
        yield finish
        finish()
    except BaseException:
        drawer.close()  # an answer that nobody read would be taken for the next one
        raise


def _build_specs(figure: Figure, prints: bool, titled: bool) -> Iterator[dict[str, Any]]:
    """Light and dark; for print without title and caption, which a paper has of its own."""
    for dark in (False, True):
        yield figure.build_spec(dark, titled)
    if prints:
        yield figure.build_spec(dark=False, titled=False)
        if has_column(column := figure.build_spec(dark=False, titled=False, width=COLUMN)):
            yield column


def _build_drawn(answer: dict[str, Any]) -> Drawn:
    figures = {
        name: DrawnFigure(
            _rename(name, light), _rename(name, dark), base64.b64decode(png), tuple(map(base64.b64decode, pdfs))
        )
        for name, (light, dark, png, pdfs) in answer["figures"].items()
    }
    return Drawn(figures, answer["failed"], answer["library"])


def draw_figure(figure: Figure, titled: bool = True) -> DrawnFigure:
    """The figure by itself, with its words or without; ExportError if it cannot be drawn."""
    with drawing([figure], titled=titled) as finish:
        drawn = finish()
    drawn.check()
    return drawn.figures[figure.name]


def write_figures(folder: Path, figures: Iterable[Figure]) -> None:
    """Draw the figures and write their files; ExportError if one cannot be drawn, and the others are written."""
    with drawing(figures, prints=True) as finish:
        write_drawn(folder, finish())
    finish().check()


def write_drawn(folder: Path, drawn: Drawn) -> None:
    """Write `<name>.svg`, `<name>.dark.svg`, `<name>.png` and the PDFs of each figure; earlier ones go."""
    if folder.is_symlink():
        folder.unlink()  # a results folder may be a stranger's, and lead anywhere
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for name, figure in drawn.figures.items():
        for ending, content in figure.list_files().items():
            written.add(f"{name}{ending}")
            write = write_whole if isinstance(content, str) else write_bytes_whole
            write(folder / f"{name}{ending}", content)  # type: ignore[arg-type]  # which of them its type decides
    for path in folder.iterdir():
        if path.suffix in (".svg", ".png", ".pdf") and path.name not in written:
            path.unlink()


def _rename(name: str, svg: str) -> str:
    """The SVG with ids that are the figure's own: Vega counts them over the life of the process."""
    ids = list(dict.fromkeys(re.findall(r'id="((?:gradient_|clip)\d+)"', svg)))
    new = {id: f"{name}-{index}" for index, id in enumerate(ids)}
    return re.sub(r"\b(?:gradient_|clip)\d+\b", lambda match: new.get(match[0], match[0]), svg)
