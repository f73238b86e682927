"""Which layers may be taken apart, and networks with some of their layers replaced."""

from collections.abc import Callable

from torch import nn

Replace = Callable[[nn.Module], nn.Module]
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_plain(layer: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether the layer is exactly of one of the kinds and does what that kind does, no more.

    A subclass may compute something else in its `forward`, and so may a hook: weight normalisation and pruning work by
    hooks, parametrizations by a subclass.
    """
    return type(layer) in kinds and "forward" not in vars(layer) and not any(getattr(layer, name) for name in _HOOKS)


def build_replaced(network: nn.Module, replace: Replace) -> nn.Module:
    """The network with layers replaced; all else is shared: weights, statistics, hooks, names.

    `replace` is asked of every module once and returns the module itself or what takes its place. A module that holds
    a replaced one becomes a shell around the same content; one that holds none stays the same object.
    """
    made: dict[int, nn.Module] = {}

    def build(module: nn.Module) -> nn.Module:
        if id(module) not in made:
            chosen = replace(module)
            made[id(module)] = _build_shell(module, build) if chosen is module else chosen
        return made[id(module)]

    return build(network)


def _build_shell(module: nn.Module, build: Replace) -> nn.Module:
    # Not `named_children`, which leaves out a layer's second occurrence.
    children = {name: None if child is None else build(child) for name, child in module._modules.items()}
    if all(children[name] is child for name, child in module._modules.items()):
        return module
    # Not `copy.copy`, which modules with parametrizations refuse. The dictionaries of weights and buffers are the same
    # objects, so that a buffer that a module replaces is replaced in both.
    shell: nn.Module = object.__new__(type(module))
    vars(shell).update(vars(module))
    vars(shell)["_modules"] = children
    return shell
