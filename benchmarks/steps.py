"""python -m benchmarks.steps: where the time of a training step goes on a CPU, all cores busy with one trial each.

Writes `steps.csv` (a row per regularizer and kind of operation), `steps.json` (the machine) and `steps.md`.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from benchmarks.limit import measure_limit
from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.measure import ROOT
from tune_app import data
from tune_app.engine.cost import build_network_cost
from tune_app.engine.fit import build_optimizer
from tune_app.engine.images import Images, build_normalisation
from tune_app.engine.rewrite import build_rewritten
from tune_app.models import MODELS, REGULARIZERS
from tune_app.parts.networks import ask_network
from tune_app.session.environment import count_cpus
from tune_app.study import Recipe

STEPS_CSV, MACHINE, MARKDOWN = "steps.csv", "steps.json", "steps.md"
BATCH = 100
WARM_UP, TIMED, PROFILED = 30, 300, 30
LARGE = 1e8  # multiply-adds; the products of the first linear layer with a batch have 3e8, those of a merged one 3e7
KINDS = {
    "aten::convolution_backward": "convolutions",
    "aten::mkldnn_convolution": "convolutions",
    "aten::max_pool2d_with_indices": "pooling",
    "aten::max_pool2d_with_indices_backward": "pooling",
    "aten::_fused_adam_": "Adam",
}


def measure_step(regularizer: str, barrier: Barrier, answers: Any) -> None:
    """Put the median seconds of a step, and the profiler's seconds of each kind of operation in it, into `answers`."""
    torch.set_num_threads(1)
    mnist = data.load_dataset("mnist")
    everything = np.arange(len(mnist.targets))
    normalisation = build_normalisation(mnist.inputs, everything)
    images = Images(mnist.inputs, mnist.targets, everything, normalisation, torch.device("cpu"))
    torch.manual_seed(0)
    network = MODELS["cnn"](regularizer=regularizer)
    rewritten = build_rewritten(network, torch.Generator().manual_seed(0)).train()
    optimizer = build_optimizer(network, Recipe())
    order = torch.randperm(len(everything))

    def step(number: int) -> None:
        batch, labels = images.batch(order[number * BATCH : (number + 1) * BATCH])
        loss = cross_entropy(rewritten(batch), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for number in range(WARM_UP):
        step(number)
    barrier.wait()
    seconds = []
    for number in range(TIMED):
        started = time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - started)
    barrier.wait()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        for number in range(PROFILED):
            step(number)
    kinds: dict[str, float] = {}
    for event in profiler.key_averages(group_by_input_shape=True):
        kind = KINDS.get(event.key) or _find_product(event) or "everything else"
        kinds[kind] = kinds.get(kind, 0.0) + event.self_cpu_time_total / 1e6 / PROFILED
    answers.put((float(pd.Series(seconds).median()), kinds))


def _find_product(event: Any) -> str | None:
    if event.key not in ("aten::mm", "aten::addmm"):
        return None
    left, right = [shape for shape in event.input_shapes if len(shape) == 2][-2:]
    size = left[0] * left[1] * right[1]
    return "large products" if size > LARGE else "thin products"


def measure_steps(regularizer: str, cores: int) -> list[dict[str, Any]]:
    """Rows of `steps.csv` for one regularizer: as many processes as cores do the same at the same time."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(cores), context.SimpleQueue()
    processes = [context.Process(target=measure_step, args=(regularizer, barrier, answers)) for _ in range(cores)]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    step = sum(seconds for seconds, _ in found) / cores
    kinds = pd.DataFrame([kinds for _, kinds in found]).mean()
    share = kinds / kinds.sum()  # profiling slows a step down: its shares are kept, not its seconds
    return [{"regularizer": regularizer, "kind": kind, "seconds": step * share[kind]} for kind in share.index]


def build_markdown(steps: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The whole of `steps.md`."""
    cores, rate = machine["cores"], machine["limit"]["fp32"] / machine["cores"]
    table = steps.pivot_table(index="regularizer", columns="kind", values="seconds", sort=False, fill_value=0.0) * 1e3
    table = table[table.sum().sort_values(ascending=False).index]
    table["whole step"] = table.sum(axis=1)
    flops = [
        build_network_cost(ask_network("cnn", (1, 28, 28), 10, regularizer=str(name))).forward_flops * 3 * BATCH
        for name in table.index
    ]
    table["nominal operations at the limit"] = [count / rate * 1e3 for count in flops]
    return "\n".join(
        [
            "# Where the time of a training step goes",
            "",
            f"Milliseconds of a step of {BATCH} images of the report's CNN as the eager engine does it, on one thread "
            f"while all {cores} cores do the same: the median of {TIMED} steps, split up by the shares that torch's "
            f"profiler sees in {PROFILED} more. Large products are those of the first linear layer with a batch, which "
            "active dropout keeps; thin ones those of two merged layers and of the last layer.",
            "",
            *build_machine_lines(machine),
            f"- Limit: {rate / 1e9:.0f} GFLOP/s a core in large fp32 matrix products",
            "",
            str(table.round(1).reset_index().to_markdown(index=False)),
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    data.load_dataset("mnist")  # unpacks the archives
    machine = build_machine("benchmarks.steps") | {"limit": measure_limit("cpu")}
    (options.out / MACHINE).write_text(json.dumps(machine, indent=2) + "\n")
    steps = pd.DataFrame([row for name in REGULARIZERS for row in measure_steps(name, count_cpus())])
    steps.to_csv(options.out / STEPS_CSV, index=False)
    text = build_markdown(steps, machine)
    (options.out / MARKDOWN).write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
