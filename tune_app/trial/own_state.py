"""State that a network, a loss or an augmentation has besides its weights: attributes that its author's code changes.

Numbers, texts, tensors, torch's generators and containers of these can be kept. What holds anything else may hold a
state that nobody sees, and is refused.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import partial
from typing import Any

import torch
from torch import nn

_EVERYONES = frozenset(vars(nn.Module()))  # what every module has
_FIXED = (
    *(types.FunctionType, types.BuiltinFunctionType, type, partial, Enum),
    *(torch.dtype, torch.device, torch.memory_format),
)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.Tensor, nn.Parameter)
_SEQUENCES = (list, tuple, set, torch.Size)
_NEW = object()  # in a container that had fewer values before the fit


class HiddenStateError(Exception):
    """Something may change during a fit and cannot be kept; the message says what."""


def read_state(part: Any) -> list[Any]:
    """What `set_state` puts back into a part built anew; HiddenStateError where it holds what cannot be kept."""
    if isinstance(part, nn.Module):
        return [part.state_dict(), *({name: _pack(module, name) for name in names} for module, names in _walk(part))]
    return [{name: _pack(part, name) for name in vars(part)}] if _has_attributes(part) else []


def set_state(part: Any, state: list[Any]) -> None:
    """Put back what `read_state` read of an equal part."""
    if isinstance(part, nn.Module):
        part.load_state_dict(state[0])
        for (module, names), values in zip(_walk(part), state[1:], strict=True):
            _unpack(module, {name: values[name] for name in names})
    elif _has_attributes(part):
        _unpack(part, state[0])


def _walk(network: nn.Module) -> Iterator[tuple[nn.Module, list[str]]]:
    """Each module with the names of what it holds besides weights; torch's own hold buffers alone."""
    for module in network.modules():
        names = sorted(module._non_persistent_buffers_set)
        if type(module).__module__.partition(".")[0] != "torch":
            names += sorted(name for name in vars(module) if name not in _EVERYONES)
        yield module, names


def _has_attributes(part: Any) -> bool:
    return part is not None and not isinstance(part, _FIXED) and hasattr(part, "__dict__")


def _pack(holder: Any, name: str) -> Any:
    value = getattr(holder, name)
    try:
        return _pack_value(value)
    except HiddenStateError as error:
        raise HiddenStateError(f"{type(holder).__name__}.{name} is {error}") from None


def _pack_value(value: Any) -> Any:
    if isinstance(value, _FIXED):
        return None  # the part that is built anew has it
    if isinstance(value, torch.Generator):
        return value.get_state()
    if type(value) is dict:
        return {key: _pack_value(each) for key, each in value.items()}
    if type(value) in _SEQUENCES:
        return [_pack_value(each) for each in value]
    if is_dataclass(value):
        return {name: _pack_value(each) for name, each in vars(value).items()}
    if type(value) in _PLAIN:
        return value
    raise HiddenStateError(f"a {type(value).__name__}, whose state is not known")


def _unpack(holder: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        before = getattr(holder, name)
        after = _unpack_value(before, value)
        if after is not before:
            setattr(holder, name, after)


def _unpack_value(before: Any, value: Any) -> Any:
    """The value as the attribute had it; `before` is what the part that was built anew has there."""
    if isinstance(before, _FIXED):
        return before
    if isinstance(before, torch.Generator):
        before.set_state(value)
        return before
    if is_dataclass(before):
        for name, each in value.items():
            object.__setattr__(before, name, _unpack_value(getattr(before, name), each))  # of a frozen one too
        return before
    if isinstance(value, dict):
        return {key: _unpack_value(before.get(key, _NEW), each) for key, each in value.items()}
    if isinstance(value, list):
        known = [*before, *[_NEW] * (len(value) - len(before))]
        each = [_unpack_value(old, new) for old, new in zip(known, value, strict=False)]
        return torch.Size(each) if isinstance(before, torch.Size) else type(before)(each)
    if isinstance(value, torch.Tensor) and isinstance(before, torch.Tensor):
        return value.to(before.device)
    return value
