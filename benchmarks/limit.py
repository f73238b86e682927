"""The machine's limit: floating-point operations a second in large matrix products, on all that the work may use."""

import multiprocessing
import statistics
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import torch

from tune_app.session.environment import count_cpus

REPEATS = 3
SECONDS = 1.0
CPU_SIZE = 1024
GPU_SIZE = 8192
PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def measure_limit(device: str) -> dict[str, float]:
    """Operations a second by precision: the median of 3 repeats; fp32 alone on a CPU."""
    if device == "cuda":
        return {precision: statistics.median(_gpu_rates(precision)) for precision in PRECISIONS}
    return {"fp32": measure_cpu_rate(count_cpus())}


def measure_cpu_rate(cores: int, seconds: float = SECONDS) -> float:
    """fp32 operations a second of `cores` single-threaded processes that all multiply matrices at the same time."""
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(cores), context.SimpleQueue()
    processes = [context.Process(target=_multiply, args=(barrier, rates, seconds)) for _ in range(cores)]
    for process in processes:
        process.start()
    per_core = [rates.get() for _ in processes]
    for process in processes:
        process.join()
    return float(statistics.median(sum(repeat) for repeat in zip(*per_core, strict=True)))


def _multiply(barrier: Barrier, rates: Any, seconds: float) -> None:
    torch.set_num_threads(1)
    left, right = torch.randn(2, CPU_SIZE, CPU_SIZE)
    out = left @ right
    found = []
    for _ in range(REPEATS):
        barrier.wait()
        products, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            torch.mm(left, right, out=out)
            products += 1
        found.append(products * 2 * CPU_SIZE**3 / elapsed)
    rates.put(found)


def _gpu_rates(precision: str) -> list[float]:
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    left, right = torch.randn(2, GPU_SIZE, GPU_SIZE, device="cuda", dtype=PRECISIONS[precision])
    rates = []
    for repeat in range(REPEATS + 1):
        products = 1 if repeat == 0 else 20  # the first only warms up
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(products):
            left @ right
        torch.cuda.synchronize()
        rates.append(products * 2 * GPU_SIZE**3 / (time.perf_counter() - started))
    return rates[1:]
