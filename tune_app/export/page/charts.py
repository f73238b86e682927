"""Figures as the page carries them: every data set and every specification once."""

import hashlib
import json
from typing import Any

from tune_app.export.figures import Figure
from tune_app.export.figures.layout import LAYOUT
from tune_app.export.figures.theme import NARROW_CONFIG, WIDTH, build_config


class ChartPool:
    """Collects figures; figures with equal data share it, figures that differ in their data only share the rest."""

    def __init__(self) -> None:
        self._datasets: dict[str, dict[str, Any]] = {}
        self._specs: dict[str, dict[str, Any]] = {}
        self._figures: dict[str, dict[str, Any]] = {}

    def branch(self) -> "ChartPool":
        """A pool of its own that shares the specifications: its figures and their data are kept elsewhere."""
        branch = ChartPool()
        branch._specs = self._specs
        return branch

    def build_content(self) -> dict[str, Any]:
        """The figures and their data, without the specifications."""
        return {"datasets": self._datasets, "figures": self._figures}

    def add(self, key: str, figure: Figure) -> None:
        """Keep the figure under `key`, which its place in the page names."""
        spec = figure.build_spec(titled=False)
        spec.pop("description")
        text = json.dumps({name: value for name, value in spec.items() if name != "datasets"}, sort_keys=True)
        names = []
        for index, (name, rows) in enumerate(spec["datasets"].items()):
            names.append(_digest(rows))
            self._datasets[names[-1]] = _fold(rows)
            text = text.replace(f'"{name}"', f'"data-{index}"')
        id = _digest(text)
        self._specs[id] = json.loads(text)
        self._figures[key] = {"spec": id, "data": names, "description": f"{figure.title}. {figure.caption}"}

    def build_whole(self) -> dict[str, Any]:
        """All that the figures are drawn from."""
        return {
            "config": {"light": build_config(dark=False), "dark": build_config(dark=True), "narrow": NARROW_CONFIG},
            "width": WIDTH,
            "layout": LAYOUT,
            "specs": self._specs,
            **self.build_content(),
        }

    def build_json(self) -> str:
        """What page.js reads; safe inside a script element."""
        return json.dumps(self.build_whole(), separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _fold(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as columns, a fifth of the size."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: _fold_column([row.get(name) for row in rows]) for name in names}


def _fold_column(values: list[Any]) -> list[Any] | dict[str, list[Any]]:
    """The values, or where texts repeat themselves their levels and a code for each value."""
    if not all(isinstance(value, str) for value in values) or len(levels := list(dict.fromkeys(values))) == len(values):
        return values
    codes = {level: code for code, level in enumerate(levels)}
    return {"levels": levels, "codes": [codes[value] for value in values]}
