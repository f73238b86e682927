"""A step timed in a process of its own: this one's context on a GPU would take memory from the trials."""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import torch

from tune_app.engine.timing import Timing, time_fit
from tune_app.parts.networks import Network
from tune_app.study import TrialSpec

APART_SECONDS = 60.0  # until the other process, which has torch to import, must have answered


def time_apart(spec: TrialSpec, asked: Network, scored: int, device: torch.device, **options: Any) -> Timing:
    """As `time_fit`; CalledProcessError where the network fails, TimeoutExpired where it takes too long."""
    question: dict[str, Any] = {"path": sys.path, "spec": spec.model_dump(mode="json"), "network": asdict(asked)}
    question |= {"scored": scored, "device": str(device), "options": options}
    code = (
        "import json, sys; q = json.load(sys.stdin); sys.path[:] = q['path']; from tune_app.session import timing_apart"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; timing_apart.answer(q)"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=APART_SECONDS,
        check=True,
    )
    return Timing(**json.loads(done.stdout.splitlines()[-1]))  # somebody's network may have printed before


def answer(question: dict[str, Any]) -> None:
    """What the other process does: print the timing as JSON."""
    content = question["network"]
    network = Network(**content | {"shape": tuple(content["shape"])})
    order = TrialSpec.model_validate(question["spec"]), network, question["scored"], torch.device(question["device"])
    sys.stdout.write(json.dumps(asdict(time_fit(*order, **question["options"]))))
