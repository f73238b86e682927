"""Components whose two sides are the same function: a comparison of them would measure noise."""

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from tune_app.data import Data
from tune_app.engine.randomness import seed_everything
from tune_app.study import Study, TrialSpec
from tune_app.trial.setup import TrialSetup

PROBED = 8  # samples


def find_idle_components(study: Study, datasets: Mapping[str, Data]) -> Iterator[str]:
    """A sentence for each component of a design that changes neither the recipe nor what the network computes.

    The networks with and without it are built from one seed and shown the same samples, in training and in evaluation
    mode: equal weights and equal outputs are one function.
    """
    told = set()
    for design in study.designs():
        for name in design.components:
            for present, specs in design.conditions.items():
                other = design.conditions.get(present ^ {name})
                if other is None or name in told:
                    continue
                told.add(name)
                first, second = specs[0], other[0]
                if first.recipe == second.recipe and _compute_alike(first, second, datasets[first.dataset]):
                    yield (
                        f"component {name}: with and without compute the same from the same weights, so that it would "
                        "measure noise; let one of its sides change the network or the recipe"
                    )


def _compute_alike(first: TrialSpec, second: TrialSpec, data: Data) -> bool:
    one, other = (_run(spec, data) for spec in (first, second))
    if one is None or other is None or len(one) != len(other):
        return False
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _run(spec: TrialSpec, data: Data) -> list[torch.Tensor] | None:
    """The weights that the seed gives, and the outputs in training and evaluation mode; None for what is no network."""
    trial = TrialSetup(spec, data, torch.device("cpu"))
    images = trial.find_train(trial.splits[0])
    batch, _ = images.batch(torch.arange(min(PROBED, len(images))))
    seed_everything(0)
    network = trial.network.build()
    if not isinstance(network, nn.Module):
        return None
    found = [parameter.detach().clone() for parameter in network.parameters()]
    with torch.no_grad():
        for training in (True, False):
            seed_everything(1)
            found.append(network.train(training)(batch.clone()))
    return found
