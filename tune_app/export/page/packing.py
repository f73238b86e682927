"""What a large page keeps packed until it is opened: a page of five hundred trials would else be slow to open."""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

MOST_UNPACKED = 250  # trials whose sections a page holds as they are, readable without JavaScript
PARTS_A_PACK = 20  # what they have in common takes room once


class Packs:
    """Parts of the page by the id of the element that each belongs to, with the data of their charts, as page.js
    unpacks them.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, parts: Mapping[str, str], charts: Mapping[str, Any] | None = None) -> str:
        """Pack the parts together; the name of the pack is what their elements have as `data-pack`."""
        self.texts.append(pack({"parts": parts, **(charts or {})}))
        return f"pack-{len(self.texts)}"


def pack(content: Mapping[str, Any]) -> str:
    """JSON, deflated, in base64."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode())).decode("ascii")
