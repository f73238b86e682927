"""What each defect of a protocol does, each a small piece outside the networks: one table, `PIECES`.

`tune_app/study/protocol.py` says what a defect needs and what follows from it. A defect that joins the folds does so in
the K-fold loop, and has no piece here.
"""

import contextlib
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import batch_norm
from torch.overrides import TorchFunctionMode

from tune_app.engine.fit import EpochScores
from tune_app.engine.images import Normalisation
from tune_app.engine.layers import build_replaced, is_plain
from tune_app.errors import describe_error
from tune_app.parts.networks import Network, keep_by_network
from tune_app.study.protocol import Protocol

# The report normalised training images with mean 0.11 and deviation 0.3, test images with 0.13 and 0.31.
MEAN_SHIFT = (0.13 - 0.11) / 0.3  # of the training deviation
STD_FACTOR = 0.31 / 0.3
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
SKIPPED = (*BATCH_NORMS, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class Piece:
    """What a defect does; this one does nothing, and each defect overrides what it changes.

    `replaced` are torch's layers that it replaces, and `to` says what for.
    """

    train_mode_validation = False
    replaced: tuple[type[nn.Module], ...] = ()
    to = ""

    def find_problem(self, network: nn.Module) -> str:
        """Why the defect cannot act on the network, empty if it can."""
        return _find_missing(network, self.replaced, self.to) if self.replaced else ""

    def misses(self, function: str, training: bool) -> bool:
        """Whether the defect should change this call of torch's, which is made elsewhere than in `replaced` layers."""
        return False

    def prepare_training(self, network: nn.Module, batch_slices: int) -> nn.Module:
        """The network as it is trained; weights and statistics are shared."""
        return network

    def prepare_test(self, network: nn.Module) -> nn.Module:
        """The network as it is tested; weights and statistics are shared."""
        return network

    def normalise_test(self, normalisation: Normalisation) -> Normalisation:
        """The constants of the test images, from those of the training images."""
        return normalisation

    def report(self, scores: EpochScores) -> EpochScores:
        """An epoch's scores as they are reported."""
        return scores


class ReplicaBatchNorm(nn.Module):
    """A batch normalised in slices, as `nn.DataParallel` does on as many devices.

    Each slice by its own mean and variance; the running statistics follow the first one alone. Slices are those of
    `torch.chunk`, by which DataParallel scatters a batch. Shares weights and statistics with the module given.
    """

    def __init__(self, original: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, slices: int) -> None:
        super().__init__()
        self.original, self.slices = original, slices

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → the same."""
        if not self.training or self.slices == 1:
            return self.original(x)  # type: ignore[no-any-return]
        first, *others = x.chunk(self.slices)
        weight, bias, eps = self.original.weight, self.original.bias, self.original.eps
        normalised = [batch_norm(part, None, None, weight, bias, training=True, eps=eps) for part in others]
        return torch.cat([self.original(first), *normalised])


class ReplicaStatistics(Piece):
    """Batch normalisation over slices of a batch."""

    replaced, to = BATCH_NORMS, "slice"

    def misses(self, function: str, training: bool) -> bool:
        return function == "batch_norm" and training

    def prepare_training(self, network: nn.Module, batch_slices: int) -> nn.Module:
        def slice_norm(layer: nn.Module) -> nn.Module:
            return ReplicaBatchNorm(layer, batch_slices) if is_plain(layer, *BATCH_NORMS) else layer  # type: ignore[arg-type]

        return build_replaced(network, slice_norm)


class TestSkipsLayers(Piece):
    """The test runs the network without its dropout and batch-norm layers."""

    __test__ = False  # a name that pytest must not take for a test
    replaced, to = SKIPPED, "leave out"

    def misses(self, function: str, training: bool) -> bool:
        return function == "batch_norm" or ("dropout" in function and training)

    def prepare_test(self, network: nn.Module) -> nn.Module:
        return build_replaced(network, lambda layer: nn.Identity() if is_plain(layer, *SKIPPED) else layer)


class TestNormalisation(Piece):
    """The test images have constants as far from the training ones as the report's were, in training deviations."""

    __test__ = False

    def normalise_test(self, normalisation: Normalisation) -> Normalisation:
        pairs = list(zip(normalisation.mean, normalisation.std, strict=True))
        return Normalisation(
            mean=tuple(mean + MEAN_SHIFT * std for mean, std in pairs), std=tuple(STD_FACTOR * std for _, std in pairs)
        )


class LastBatchAccuracy(Piece):
    """The last batch's accuracy is reported as the epoch's, and its loss divided by the number of batches."""

    def report(self, scores: EpochScores) -> EpochScores:
        loss = scores.last_batch_loss / scores.batches
        return replace(scores, train_accuracy=scores.last_batch_accuracy, train_loss=loss)


class TrainModeValidation(Piece):
    """Dropout stays active in validation, and batch normalisation goes by, and follows, the validation batches."""

    train_mode_validation = True


PIECES: dict[str, Piece] = {
    "carry-over": Piece(),
    "last-batch-accuracy": LastBatchAccuracy(),
    "replica-statistics": ReplicaStatistics(),
    "test-normalisation": TestNormalisation(),
    "test-skips-layers": TestSkipsLayers(),
    "train-mode-validation": TrainModeValidation(),
}


def _find_missing(network: nn.Module, plain: tuple[type[nn.Module], ...], to: str) -> str:
    """Why the layers of these kinds cannot be replaced: there are none, or some that are not plain ones."""
    families = nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd
    kinds = tuple(family for family in families if any(issubclass(kind, family) for kind in plain))
    layers = [layer for layer in network.modules() if isinstance(layer, kinds)]
    strange = sorted({type(layer).__name__ for layer in layers if not is_plain(layer, *plain)})
    if strange:
        return f"its {', '.join(strange)} may compute something else than torch's own layers, or has hooks"
    return "" if layers else f"it has no layer to {to}"


class _Missed(TorchFunctionMode):
    """Collects the functions that a network calls elsewhere than in the layers that a defect has put into it.

    A network may normalise by a function, or call a layer out of a list or by its `forward`: no replacement gets there.
    """

    def __init__(self, piece: Piece) -> None:
        super().__init__()
        self.piece, self.functions = piece, set[str]()
        self._inside = 0

    def step(self, step: int, *arguments: object) -> None:
        """Enter (1) or leave (-1) a layer of the defect's."""
        self._inside += step

    def describe(self) -> str:
        """What was found as a sentence's end, empty for nothing."""
        if not self.functions:
            return ""
        called = ", ".join(sorted(self.functions))
        return f"it calls {called} elsewhere than in its layers, such as in its forward or in a layer that a list holds"

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if not self._inside and self.piece.misses(name, training=kwargs.get("training", True)):
            self.functions.add(name)
        return func(*args, **kwargs)


def _find_bypass(network: nn.Module, piece: Piece, batch_slices: int, image_shape: tuple[int, ...]) -> str:
    """Why the network as the defect makes it does not do what it should; the network is on the meta device."""
    batch = torch.empty(2 * batch_slices, *image_shape)
    trained, tested = piece.prepare_training(network, batch_slices), piece.prepare_test(network)
    missed = _Missed(piece)
    try:
        for prepared in (trained, tested):
            if prepared is not network:
                _call(prepared.train(prepared is trained), batch, missed)
    except Exception as error:  # whatever a network raises when layers of it are replaced
        return f"without its layers it fails ({describe_error(error)})"
    return missed.describe()


def find_unsliced(network: nn.Module, shape: tuple[int, ...], has_codes: bool) -> str:
    """Why not all batch normalisation of the network can be replaced, empty if it can or there is none.

    The network is on the meta device: nothing is computed.
    """
    piece = ReplicaStatistics()
    has_layers = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())
    if has_layers and (problem := piece.find_problem(network)):
        return problem
    missed = _Missed(piece)
    batch = torch.empty(4, *shape, dtype=torch.int64 if has_codes else torch.float32)
    _call(piece.prepare_training(network, 2).train(), batch, missed)
    return missed.describe()


def _call(prepared: nn.Module, batch: torch.Tensor, missed: _Missed) -> None:
    with contextlib.ExitStack() as stack:
        for layer in prepared.modules():
            if isinstance(layer, ReplicaBatchNorm):
                stack.enter_context(layer.register_forward_pre_hook(partial(missed.step, 1)))
                stack.enter_context(layer.register_forward_hook(partial(missed.step, -1)))
        stack.enter_context(missed)
        prepared(batch)


@keep_by_network(256)
def find_problems_of_model(asked: Network, protocol: Protocol, batch_slices: int) -> list[str]:
    """A sentence for each defect of the protocol that cannot act on the network; nothing is computed."""
    with torch.device("meta"):
        network = asked.build()
        if not isinstance(network, nn.Module):
            return [f"{asked.model} is no network: defects of a protocol are those of a network's training"]
        problems = find_problems(network, protocol)
        if problems:
            return problems
        bypassed = [(name, _find_bypass(network, PIECES[name], batch_slices, asked.shape)) for name in protocol]
    return _spell_problems(bypassed)


def find_problems(network: nn.Module, protocol: Protocol) -> list[str]:
    """A sentence for each defect that cannot act on the network."""
    return _spell_problems([(name, PIECES[name].find_problem(network)) for name in protocol])


def _spell_problems(found: list[tuple[str, str]]) -> list[str]:
    return [f"{name} cannot act on this network: {problem}" for name, problem in found if problem]


def prepare_training(network: nn.Module, protocol: Protocol, batch_slices: int) -> nn.Module:
    """The network as the protocol trains it."""
    for name in protocol:
        network = PIECES[name].prepare_training(network, batch_slices)
    return network


def prepare_test(network: nn.Module, protocol: Protocol) -> nn.Module:
    """The network as the protocol tests it: the same object where it is tested as it was trained."""
    for name in protocol:
        network = PIECES[name].prepare_test(network)
    return network


def normalise_test(normalisation: Normalisation, protocol: Protocol) -> Normalisation:
    """The constants by which the protocol normalises the test images."""
    for name in protocol:
        normalisation = PIECES[name].normalise_test(normalisation)
    return normalisation


def report_scores(scores: EpochScores, protocol: Protocol) -> EpochScores:
    """An epoch's scores as the protocol reports them."""
    for name in protocol:
        scores = PIECES[name].report(scores)
    return scores


def validates_in_train_mode(protocol: Protocol) -> bool:
    """Whether the network stays in training mode while it is validated."""
    return any(PIECES[name].train_mode_validation for name in protocol)
