"""What processes that train a network together tell each other besides tensors of one shape."""

from typing import Any

import torch
import torch.distributed as dist


def send_number(number: int, device: torch.device) -> int:
    """The first process's number, in every process."""
    told = torch.tensor(number, device=device)
    dist.broadcast(told, 0)
    return int(told.item())


def send_bytes(content: bytes, device: torch.device) -> bytes:
    """The first process's bytes, in every process; what the others give is left aside."""
    length = send_number(len(content), device)
    told = _as_tensor(content, length if dist.get_rank() else len(content), device)
    dist.broadcast(told, 0)
    return _as_bytes(told)


def gather_bytes(content: bytes, device: torch.device) -> list[bytes]:
    """The bytes of all processes, by rank, in every process."""
    lengths: list[Any] = [torch.zeros((), dtype=torch.int64, device=device) for _ in range(dist.get_world_size())]
    dist.all_gather(lengths, torch.tensor(len(content), device=device))
    longest = int(max(lengths).item())
    own = torch.zeros(longest, dtype=torch.uint8, device=device)
    own[: len(content)] = _as_tensor(content, len(content), device)
    parts = [torch.empty_like(own) for _ in lengths]
    dist.all_gather(parts, own)
    return [_as_bytes(part[: int(length)]) for part, length in zip(parts, lengths, strict=True)]


def is_so_everywhere(is_so: bool, device: torch.device) -> bool:
    """Whether it is so in every process."""
    told = torch.tensor(int(is_so), device=device)
    dist.all_reduce(told, dist.ReduceOp.MIN)
    return bool(told.item())


def _as_tensor(content: bytes, length: int, device: torch.device) -> torch.Tensor:
    if len(content) != length or not length:
        return torch.zeros(length, dtype=torch.uint8, device=device)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).to(device)


def _as_bytes(told: torch.Tensor) -> bytes:
    return told.cpu().numpy().tobytes()
