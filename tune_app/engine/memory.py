"""Memory of a fit: a cap on CUDA's allocator; the peak there, or of the process's resident set."""

import contextlib
import re
import resource
from pathlib import Path

import torch


def reset_peak_memory(device: torch.device) -> None:
    """Start a new peak, as far as the platform allows: Linux does, elsewhere the peak is the process's own."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def read_peak_memory(device: torch.device) -> int:
    """Bytes at the peak since the last reset."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cap_memory(device: torch.device, share: float) -> None:
    """Hold this process to its share of a GPU's memory: beyond it, it fails alone, with torch.OutOfMemoryError.

    Ray schedules by shares and caps nothing. On a CPU nothing is capped.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what an earlier trial with a larger share has left in this process
        torch.cuda.set_per_process_memory_fraction(min(share, 1.0), device)


def describe_device(device: torch.device) -> str:
    """`cpu`, or `cuda:0 NVIDIA H200`."""
    return str(device) if device.type == "cpu" else f"{device} {torch.cuda.get_device_name(device)}"
