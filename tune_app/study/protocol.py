"""How training, validation and test are done: sound, or with some of the six defects of the original report's code.

A protocol is a sorted tuple of defects, `()` the sound one. `as-reported` means all that apply to a network.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Protocol = tuple[str, ...]
SOUND, AS_REPORTED, WITHOUT = "sound", "as-reported", "as-reported without "
_VALIDATION = ("validation_accuracy", "validation_loss", "validation_accuracy_auc", "epochs_to_target")


@dataclass(frozen=True)
class Defect:
    """A row of the table: what a defect is in words, what it needs, which phase it changes, and what follows from that.

    `needs` is the part of the regularizer without which it changes nothing: `any`, a part's name, or "" for none.
    Conditions that differ only in what is done after training share their fits. `redefines` names the metrics that it
    makes another quantity: they are not compared with those of a condition without it. `joins_folds`: one network goes
    through all folds, so that they are one observation. `slices_batches`: the factor `batch_slices` matters.
    """

    name: str
    about: str
    needs: str
    phase: Literal["training", "report", "test"]
    redefines: tuple[str, ...] = ()
    joins_folds: bool = False
    slices_batches: bool = False


# The only place of the general code that spells their names; what each does is in `engine/defects.py`.
DEFECTS = {
    defect.name: defect
    for defect in (
        Defect(
            "carry-over",
            "one network goes through all folds, and is tested after the last",
            "",
            "training",
            _VALIDATION,
            joins_folds=True,
        ),
        Defect(
            "last-batch-accuracy",
            "an epoch's training accuracy is that of its last batch",
            "",
            "report",
            ("train_accuracy", "train_loss"),
        ),
        Defect(
            "replica-statistics",
            "batch normalisation sees a slice of the batch, as on several devices",
            "batchnorm",
            "training",
            slices_batches=True,
        ),
        Defect("test-normalisation", "test images are normalised otherwise than training images", "", "test"),
        Defect("test-skips-layers", "the test leaves out dropout and batch normalisation", "any", "test"),
        # Batch normalisation follows the validation batches, so the next epoch trains another network.
        Defect(
            "train-mode-validation",
            "the network validates in training mode, which moves its statistics",
            "any",
            "training",
            _VALIDATION,
        ),
    )
}
EVERY_DEFECT: Protocol = tuple(DEFECTS)


def keep_training(protocol: Protocol) -> Protocol:
    """The defects that change the training: protocols that have the same of these share their fits."""
    return tuple(name for name in protocol if DEFECTS[name].phase == "training")


def joins_folds(protocol: Protocol) -> bool:
    """Whether one network goes through all folds, so that they are one observation."""
    return any(DEFECTS[name].joins_folds for name in protocol)


def slices_batches(protocol: Protocol) -> bool:
    """Whether the number of slices of a batch matters."""
    return any(DEFECTS[name].slices_batches for name in protocol)


def find_redefining(protocol: Protocol, metric: str) -> set[str]:
    """The defects that make the metric another quantity."""
    return {name for name in protocol if metric in DEFECTS[name].redefines}


def applies(defect: str, regularizer: str) -> bool:
    """Whether the defect can change anything in a network with this regularizer.

    An empty one stands for a network without such an argument: whether a defect can act on it shows where it is built.
    """
    need = DEFECTS[defect].needs
    if not regularizer:
        return True
    return not need or (regularizer != "none" if need == "any" else need in regularizer)


def parse_protocol(text: str) -> tuple[Protocol, bool]:
    """Defects and whether they are all meant to apply, from `sound`, `as-reported`, `as-reported without X` or `X+Y`.

    Raises ValueError for an unknown name.
    """
    if text == SOUND:
        return (), True
    if text == AS_REPORTED:
        return EVERY_DEFECT, False
    named = text.removeprefix(WITHOUT).split("+")
    unknown = [name for name in named if name not in DEFECTS]
    if unknown:
        example, second = EVERY_DEFECT[0], EVERY_DEFECT[4]
        raise ValueError(
            f"unknown defect {', '.join(map(repr, unknown))}; write {SOUND}, {AS_REPORTED}, names joined by + such as "
            f"{example}+{second}, or '{WITHOUT}{example}'; the defects are {', '.join(DEFECTS)}"
        )
    if text.startswith(WITHOUT):
        return tuple(defect for defect in EVERY_DEFECT if defect not in named), False
    return tuple(sorted(set(named))), True


def build_protocol(text: str, regularizer: str) -> Protocol:
    """The defects of a condition; those that `as-reported` names and that cannot matter to it are left out."""
    defects, _ = parse_protocol(text)
    return tuple(defect for defect in defects if applies(defect, regularizer))


def find_idle_defects(text: str, regularizer: str) -> list[str]:
    """Defects that the text names one by one, or takes away, though they change nothing under this regularizer."""
    defects, explicit = parse_protocol(text)
    named = text.removeprefix(WITHOUT).split("+") if text.startswith(WITHOUT) else defects if explicit else ()
    return [defect for defect in named if not applies(defect, regularizer)]


def spell_protocol(protocol: Iterable[str], regularizer: str) -> str:
    """The shortest text that `build_protocol` reads back."""
    present = set(protocol)
    absent = [defect for defect in EVERY_DEFECT if applies(defect, regularizer) and defect not in present]
    if not present:
        return SOUND
    if not absent:
        return AS_REPORTED
    if len(absent) < len(present):
        return WITHOUT + "+".join(absent)
    return "+".join(sorted(present))


def check_protocol(text: str) -> str:
    """The text if it names a protocol; ValueError otherwise."""
    parse_protocol(text)
    return text
