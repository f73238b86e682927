"""Networks as TensorBoard draws them: each is traced once, however many trials train it."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from tensorboardX import SummaryWriter

from tune_app.data import Data
from tune_app.parts.networks import Network, choose_network
from tune_app.parts.sources import describe_data
from tune_app.study import TrialSpec


class Graphs:
    """Adds the networks of trials to their event files.

    torch.jit keeps something of everything that it traces: a graph for each of thousands of trials would take the time
    and the memory of the process that runs the study.
    """

    def __init__(self, specs: Mapping[str, TrialSpec], datasets: Mapping[str, Data]) -> None:
        """`specs` are the trials by id."""
        self._specs = specs
        self._datasets = datasets
        self._drawn: dict[Network, Any] = {}  # None for what is no torch module

    def draw(self, writer: SummaryWriter, trial: str) -> None:
        """Add the network of the trial."""
        spec = self._specs[trial]
        network = choose_network(spec, describe_data(self._datasets[spec.dataset]))
        if network not in self._drawn:
            self._drawn[network] = _trace(network)
        if graph := self._drawn[network]:
            writer.file_writer.add_graph(graph)


def _trace(asked: Network) -> Any:
    from torch.utils.tensorboard._pytorch_graph import graph  # what tensorboardX draws with, too

    torch.manual_seed(0)
    network = asked.build()
    if not isinstance(network, torch.nn.Module):
        return None
    network.eval()
    sample = torch.zeros(1, *asked.shape, dtype=torch.int64 if asked.codes else torch.float32)
    with warnings.catch_warnings():
        # It draws what torch.jit traces, and torch deprecates that without another way to draw.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return graph(network, sample)  # type: ignore[no-untyped-call]
