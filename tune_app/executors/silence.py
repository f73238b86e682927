"""Items that report nothing: how long each may be silent, and which have been for longer."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping

from tune_app.plan import PlannedTrial, WorkItem

logger = logging.getLogger("tune_app")

# A slow fit must never be taken for a hung one. A prediction is wrong by ten times on a machine that others load; one
# by counted operations alone may be wrong by more. Before the first report an actor starts, imports torch, is sent the
# data and trains for an epoch.
FLOOR_SECONDS = 15 * 60.0
COMPILED_FLOOR_SECONDS = 2 * 3600.0  # the first step is compiled
UNKNOWN_SECONDS = 12 * 3600.0  # where nothing is predicted
FACTORS = {"fits": 30.0, "step": 50.0, "estimate": 300.0}  # by what the prediction is from
EVERY_SECONDS = 1.0
LONGEST_STEP = 5.0  # seconds that one look counts: while this process itself stands still nobody can be heard


def find_limit(trial: PlannedTrial, given: float | None = None) -> float:
    """Seconds that an item of the trial may report nothing; `given` replaces what follows from the plan.

    An epoch is one report, and a stack of folds has as many fits in each; what fits by itself may report at its end.
    """
    if given is not None:
        return given
    seconds, recipe = trial.fit_seconds, trial.spec.recipe
    if not seconds.total:
        return UNKNOWN_SECONDS
    epochs = recipe.epochs if trial.parameters else 1
    together = trial.fits if trial.engine == "stacked" else 1
    between = (seconds.setup + seconds.training / epochs + seconds.scoring) * together
    return max(COMPILED_FLOOR_SECONDS if recipe.compile else FLOOR_SECONDS, FACTORS[trial.basis] * between)


class Silence:
    """How long each item under way has reported nothing, of the time that this process itself was awake for.

    `limits` are seconds by item. Methods may be called from several threads.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._limits = limits
        self._silent: dict[str, float] = {}  # seconds, by item under way
        self._looked = time.monotonic()
        self._lock = threading.Lock()

    def heard(self, item: str) -> None:
        """It has started, or reported."""
        with self._lock:
            self._silent[item] = 0.0

    def ended(self, item: str) -> None:
        """It has ended, or its process has: nothing is to be heard."""
        with self._lock:
            self._silent.pop(item, None)

    def find_silent(self) -> list[str]:
        """Those that have been silent for longer than their limit, once each until they are heard again."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, LONGEST_STEP), now
        with self._lock:
            found = []
            for item, seconds in self._silent.items():
                self._silent[item] = seconds + passed
                if seconds <= self._limits[item] < seconds + passed:
                    found.append(item)
        return found

    def describe(self, item: WorkItem) -> str:
        """`cnn-none-k5-r0 has reported nothing for 900 s`."""
        return f"{item.name} has reported nothing for {self.spell_limit(item)}"

    def spell_limit(self, item: WorkItem) -> str:
        """`900 s`."""
        return f"{self._limits[item.id]:.3g} s" if self._limits[item.id] < 100 else f"{self._limits[item.id]:.0f} s"


@contextlib.contextmanager
def watch_silence(silence: Silence, items: Mapping[str, WorkItem], every: float = EVERY_SECONDS) -> Iterator[None]:
    """Within, a warning names each item that is silent for too long; it runs in this process, which nothing can end."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every):
            for item in silence.find_silent():
                logger.warning(
                    "%s; with --executor inline it cannot be ended from here: press Ctrl-C, what is done is on disk.",
                    silence.describe(items[item]),
                )

    thread = threading.Thread(target=watch, name="silence", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
