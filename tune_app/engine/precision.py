"""Precision as a level of the recipe: fp32, tf32, bf16 and fp16 (with a gradient scaler)."""

import contextlib
from collections.abc import Iterator

import torch

HALF_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """TF32 off unless asked for; the process's setting is put back afterwards."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Autocast for the half precisions, nothing for the others."""
    if precision in HALF_TYPES:
        return torch.autocast(device.type, dtype=HALF_TYPES[precision])
    return contextlib.nullcontext()


def build_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """A gradient scaler that works for fp16 and passes everything through for the others."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
