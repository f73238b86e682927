"""Lines where nothing else is said."""

from queue import SimpleQueue

from tune_app.monitor.waiting import say_while


def test_what_takes_long_is_said_while_it_lasts() -> None:
    said: SimpleQueue[str] = SimpleQueue()
    with say_while(said.put, "Tables are being written", seconds=0.001):
        lines = [said.get(timeout=60) for _ in range(2)]
    assert all(line.startswith("Tables are being written … (") for line in lines)


def test_what_is_short_is_not_said() -> None:
    said: list[str] = []
    with say_while(said.append, "Tables are being written", seconds=60):
        pass
    assert said == []
