"""The process that draws figures: a line of JSON in, a line of JSON out, until its input ends.

`write.py` starts it by its path, so that it imports nothing but the drawing library.
"""

import base64
import json
import re
import signal
import sys
from functools import lru_cache
from typing import Any

import vl_convert

MOST_CALLS = 60  # of two fonts every second one is in order
_RUN = re.compile(rb"(?:^ +/\w+ \d+ 0 R\r?\n){2,}", re.MULTILINE)
_FONT = re.compile(rb"^(\d+) 0 obj\r?\n<<\r?\n  /Type /Font\r?\n  /Subtype /Type0", re.MULTILINE)
POINT = 0.75  # of a pixel, 96 of which are an inch: a PDF's unit is a point, of which 72 are


@lru_cache(maxsize=1)
def build_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    bundle: str = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]  # its stub lacks the default
    return bundle


def draw(request: dict[str, Any]) -> dict[str, Any]:
    """`figures` (name → specifications: light, dark, then for print) and `scale` in, the same names drawn out.

    Each is SVG, SVG, PNG and a PDF for each that is for print. A figure that cannot be drawn is in `failed` (name →
    why) instead.
    """
    drawn, failed = {}, {}
    for name, specs in request["figures"].items():
        try:
            light, dark, *prints = (vl_convert.vegalite_to_svg(spec) for spec in specs)
            png = _encode(vl_convert.svg_to_png(light, scale=request["scale"]))
            pdfs = [_encode(draw_pdf(shrink(svg))) for svg in prints]
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
            continue
        drawn[name] = light, dark, png, pdfs
    return {"figures": drawn, "failed": failed, "library": build_library()}


def shrink(svg: str) -> str:
    """The drawing with a size in points instead of pixels; its content is scaled with it."""
    size = re.compile(r'width="([0-9.]+)" height="([0-9.]+)" viewBox=')
    return size.sub(
        lambda m: f'width="{float(m[1]) * POINT:g}" height="{float(m[2]) * POINT:g}" viewBox=', svg, count=1
    )


def draw_pdf(svg: str) -> bytes:
    """The drawing as PDF, the same bytes for the same drawing.

    The library lists what a page uses, and writes its fonts, in an order that differs from call to call: lists are
    sorted, which moves nothing else, and it is called until the fonts stand in order.
    """
    content = b""
    for _ in range(MOST_CALLS):
        content = _RUN.sub(lambda run: b"".join(sorted(run[0].splitlines(True))), vl_convert.svg_to_pdf(svg))
        fonts = [int(number) for number in _FONT.findall(content)]
        if fonts == sorted(fonts):
            break
    return content


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def main() -> None:
    """Answer until the input ends; the library, which takes longest, is built before anybody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which then closes the input
    build_library()
    for line in sys.stdin:
        try:
            answer = draw(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
