"""The process that draws figures: a line of JSON in, a line of JSON out, until its input ends.

`write.py` starts it by its path, so that it imports nothing but the drawing library.
"""

import base64
import json
import signal
import sys
from functools import lru_cache
from typing import Any

import vl_convert


@lru_cache(maxsize=1)
def build_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    bundle: str = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]  # its stub lacks the default
    return bundle


def draw(request: dict[str, Any]) -> dict[str, Any]:
    """`figures` (name → specifications, light and dark) and `scale` in; the same names with SVG, SVG and PNG out.

    A figure that cannot be drawn is in `failed` (name → why) instead.
    """
    drawn, failed = {}, {}
    for name, specs in request["figures"].items():
        try:
            light, dark = (vl_convert.vegalite_to_svg(spec) for spec in specs)
            png = base64.b64encode(vl_convert.svg_to_png(light, scale=request["scale"])).decode("ascii")
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
            continue
        drawn[name] = light, dark, png
    return {"figures": drawn, "failed": failed, "library": build_library()}


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
