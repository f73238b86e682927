"""Schedules against torch's, step by step."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler

from tune_app.errors import StudyError
from tune_app.parts.schedules import constant, cosine, linear, one_cycle, plateau, step_decay

EPOCHS, PER_EPOCH = 10, 7
STEPS = EPOCHS * PER_EPOCH


def _torch_factors(build: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], steps: int) -> list[float]:
    """The learning rates of an optimizer with the rate 1 under a scheduler of torch's."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build(optimizer)
    factors = []
    for step in range(steps):
        if step:
            optimizer.step()
            scheduler.step()
        factors.append(float(optimizer.param_groups[0]["lr"]))
    return factors


def test_constant_is_the_learning_rate_as_it_stands() -> None:
    assert {constant(step, STEPS) for step in range(STEPS)} == {1.0}


@pytest.mark.parametrize("every", [1, 3, 10])
def test_step_decay_is_torchs_by_epochs(every: int) -> None:
    expected = _torch_factors(lambda optimizer: lr_scheduler.StepLR(optimizer, every * PER_EPOCH, 0.5), STEPS)
    found = [step_decay(step, STEPS, epochs=EPOCHS, every=every, factor=0.5) for step in range(STEPS)]
    assert found == pytest.approx(expected)
    assert len(set(found)) == math.ceil(EPOCHS / every)


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_cosine_is_torchs(floor: float) -> None:
    expected = _torch_factors(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS, floor), STEPS)
    assert [cosine(step, STEPS, epochs=EPOCHS, floor=floor) for step in range(STEPS)] == pytest.approx(expected)


def test_cosine_with_warm_up_is_torchs_line_and_then_its_cosine() -> None:
    rising = 2 * PER_EPOCH

    def build(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        line = lr_scheduler.LinearLR(optimizer, start_factor=1 / (rising + 1), total_iters=rising)
        falling = lr_scheduler.CosineAnnealingLR(optimizer, STEPS - rising, eta_min=0.1)
        return lr_scheduler.SequentialLR(optimizer, [line, falling], [rising])

    found = [cosine(step, STEPS, epochs=EPOCHS, warmup_epochs=2, floor=0.1) for step in range(STEPS)]
    assert found == pytest.approx(_torch_factors(build, STEPS))
    assert found.index(1.0) == rising


@pytest.mark.parametrize(("warmup", "start", "end"), [(0.3, 0.04, 1e-4), (0.5, 0.1, 0.01), (1.0, 0.2, 0.0)])
def test_one_cycle_is_torchs(warmup: float, start: float, end: float) -> None:
    def build(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        return lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=1.0,
            total_steps=STEPS,
            pct_start=warmup,
            div_factor=1 / start,
            final_div_factor=start / end if end else 1e30,
            cycle_momentum=False,
        )

    found = [one_cycle(step, STEPS, warmup=warmup, start=start, end=end) for step in range(STEPS)]
    assert found == pytest.approx(_torch_factors(build, STEPS))
    assert found[-1] == pytest.approx(end if warmup < 1 else 1.0)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_of_few_steps_stays_between_its_ends(steps: int) -> None:
    found = [one_cycle(step, steps) for step in range(steps)]
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert min(found) >= 1e-4


def test_linear_is_torchs() -> None:
    def build(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        return lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.25, total_iters=STEPS)

    assert [linear(step, STEPS, end=0.25) for step in range(STEPS)] == pytest.approx(_torch_factors(build, STEPS))


# The training losses of a network that stalls twice; the third is lower than the second by less than a ten-thousandth.
STALLING = [2.3, 1.1, 1.09995, 1.2, 0.8, 0.81, 0.82, 0.8, 0.9, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.6]


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau_is_torchs(patience: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=patience, factor=0.5, eps=0)
    expected, found = [], []
    for epoch in range(len(STALLING) + 1):
        expected.append(optimizer.param_groups[0]["lr"])
        found.append(plateau(epoch, len(STALLING), losses=STALLING[:epoch], patience=patience, factor=0.5))
        if epoch < len(STALLING):
            scheduler.step(STALLING[epoch])
    assert found == pytest.approx(expected)
    assert found[0] == 1.0
    assert found[-1] < 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: step_decay(0, 10, epochs=5, every=0), "step_decay: every is 0; choose 1 epoch or more"),
        (lambda: step_decay(0, 10, epochs=5, every=1, factor=2), "factor is 2; choose a share from 0 to 1"),
        (lambda: cosine(0, 10, epochs=5, warmup_epochs=5), "warmup_epochs is 5; choose 0 to less than 5 epochs"),
        (lambda: cosine(0, 10, epochs=5, floor=-0.1), "floor is -0.1; choose a share from 0 to 1"),
        (lambda: one_cycle(0, 10, warmup=1.5), "one_cycle: warmup is 1.5"),
        (lambda: linear(0, 10, end=3), "linear: end is 3"),
        (lambda: plateau(0, 10, losses=[], patience=-1), "plateau: patience is -1"),
    ],
)
def test_values_out_of_range_are_refused_at_the_first_step(call: Callable[[], float], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        call()
