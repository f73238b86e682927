"""When a list of items is through on the slots that there are."""

import random

import pytest

from tune_app.plan import predict_makespan
from tune_app.plan.makespan import find_slots, predict_shared_makespan


def test_items_start_in_their_order_on_the_first_free_slot() -> None:
    assert predict_makespan([3, 2, 2], 2) == 4
    assert predict_makespan([2, 2, 3], 2) == 5, "the longest last leaves a slot idle"
    assert predict_makespan([1, 2], 5) == 2
    assert predict_makespan([], 3) == 0


def test_no_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="0 slots"):
        predict_makespan([1], 0)


def test_a_makespan_lies_between_what_no_schedule_beats_and_what_every_list_keeps() -> None:
    numbers = random.Random(0)
    for _ in range(50):
        lengths, slots = [numbers.random() for _ in range(numbers.randint(1, 40))], numbers.randint(1, 8)
        least = max(sum(lengths) / slots, *lengths)
        assert least - 1e-9 <= predict_makespan(lengths, slots) <= (2 - 1 / slots) * least + 1e-9


def test_equal_shares_are_slots() -> None:
    nodes = [{"CPU": 2.0}, {"CPU": 1.0}]
    lengths = [5.0, 4.0, 3.0, 2.0]
    assert predict_shared_makespan([(each, 1.0, 0.0) for each in lengths], nodes) == predict_makespan(lengths, 3)


def test_an_item_that_fits_does_not_wait_for_a_larger_one() -> None:
    nodes = [{"CPU": 2.0}]
    assert predict_shared_makespan([(4, 1, 0), (4, 2, 0), (3, 1, 0)], nodes) == 8
    assert predict_shared_makespan([(1, 1, 0), (5, 8, 0)], nodes) == 1, "no node has eight cores"


@pytest.mark.parametrize(
    ("cpus", "gpus", "slots"), [(1, 0, 8), (0.5, 0, 16), (1, 0.3, 6), (1, 1, 2), (4, 0.5, 2), (0.1, 0.3333, 6)]
)
def test_a_share_of_a_gpu_lies_on_one_of_them(cpus: float, gpus: float, slots: int) -> None:
    assert find_slots(cpus, gpus, [{"CPU": 8.0, "GPU": 2.0}]) == slots
