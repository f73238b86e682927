"""What processes that train a network together tell each other."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist


def gather(part: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """The parts (n, …) of all processes as one (N, …); of each as many rows as `lengths` says."""
    own = part[: lengths[dist.get_rank()]]
    padded = own.new_zeros(max(lengths), *part.shape[1:])  # for collectives want equal sizes
    padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in lengths]
    dist.all_gather(parts, padded)
    return torch.cat([each[:length] for each, length in zip(parts, lengths, strict=True)])


def send_number(number: int, device: torch.device) -> int:
    """The first process's number, in every process."""
    told = torch.tensor(number, device=device)
    dist.broadcast(told, 0)
    return int(told.item())


def send_bytes(content: bytes, device: torch.device) -> bytes:
    """The first process's bytes, in every process; what the others give is left aside."""
    length = send_number(len(content), device)
    told = _as_tensor(bytes(length) if dist.get_rank() else content, device)
    dist.broadcast(told, 0)
    return _as_bytes(told)


def gather_bytes(content: bytes, device: torch.device) -> list[bytes]:
    """The bytes of all processes, by rank, in every process."""
    lengths: list[Any] = [torch.zeros((), dtype=torch.int64, device=device) for _ in range(dist.get_world_size())]
    dist.all_gather(lengths, torch.tensor(len(content), device=device))
    counts = [int(length) for length in lengths]
    return [_as_bytes(part) for part in torch.split(gather(_as_tensor(content, device), counts), counts)]


def is_so_everywhere(is_so: bool, device: torch.device) -> bool:
    """Whether it is so in every process."""
    told = torch.tensor(int(is_so), device=device)
    dist.all_reduce(told, dist.ReduceOp.MIN)
    return bool(told.item())


def _as_tensor(content: bytes, device: torch.device) -> torch.Tensor:
    if not content:  # which has no buffer
        return torch.empty(0, dtype=torch.uint8, device=device)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).to(device)


def _as_bytes(told: torch.Tensor) -> bytes:
    return told.cpu().numpy().tobytes()
