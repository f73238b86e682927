"""Which layers may be taken apart, and networks with some of their layers replaced."""

import copy
from collections.abc import Callable

from torch import nn

Replace = Callable[[nn.Module], nn.Module | None]
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_plain(layer: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether the layer is exactly of one of the kinds and does what that kind does, no more.

    A subclass may compute something else in its `forward`, and so may a hook: weight normalisation and pruning work by
    hooks, parametrizations by a subclass.
    """
    return type(layer) in kinds and "forward" not in vars(layer) and not any(getattr(layer, name) for name in _HOOKS)


def build_replaced(network: nn.Module, replace: Replace) -> nn.Module:
    """The network with layers replaced; what is not replaced is shared, weights and statistics above all.

    `replace` is asked of every module without children and returns it, another one, or None to leave it out: in a plain
    `nn.Sequential` it is gone, elsewhere the identity takes its place.
    """
    if not list(network.children()):
        return replace(network) or nn.Identity()
    # Not `named_children`, which leaves out a layer's second occurrence.
    chosen = {name: layer and _choose(layer, replace) for name, layer in network._modules.items()}
    if is_plain(network, nn.Sequential):
        return nn.Sequential(*(layer for layer in chosen.values() if layer is not None))
    shell = copy.copy(network)  # its weights and buffers are the network's own
    shell._modules = {name: nn.Identity() if layer is None else layer for name, layer in chosen.items()}
    return shell


def _choose(layer: nn.Module, replace: Replace) -> nn.Module | None:
    return build_replaced(layer, replace) if list(layer.children()) else replace(layer)
