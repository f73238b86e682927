"""A figure that cannot be drawn."""

from typing import Any

from tune_app.export.figures import Figure


class Broken(Figure):
    def build_spec(self, dark: bool | None = None, titled: bool = True, width: int = 0) -> dict[str, Any]:
        return {"mark": "no such mark", "datasets": {}, "description": ""}
