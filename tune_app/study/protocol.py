"""How training, validation and test are done: sound, or with some of the six defects of the report's code.

A protocol is a sorted tuple of defects, `()` the sound one. `as-reported` means all that apply to a network.
"""

from collections.abc import Iterable

Protocol = tuple[str, ...]
SOUND, AS_REPORTED, WITHOUT = "sound", "as-reported", "as-reported without "
# defect → the part of the regularizer without which it changes nothing ("" for none)
DEFECTS = {
    "carry-over": "",
    "last-batch-accuracy": "",
    "replica-statistics": "batchnorm",
    "test-normalisation": "",
    "test-skips-layers": "any",
    "train-mode-validation": "any",
}
# Defects that leave the training as it is: conditions that differ in these alone share one fit.
OUTSIDE_TRAINING = frozenset({"last-batch-accuracy", "test-normalisation", "test-skips-layers"})
EVERY_DEFECT: Protocol = tuple(DEFECTS)


def applies(defect: str, regularizer: str) -> bool:
    """Whether the defect can change anything in a network with this regularizer."""
    need = DEFECTS[defect]
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
        raise ValueError(
            f"unknown defect {', '.join(map(repr, unknown))}; write {SOUND}, {AS_REPORTED}, names joined by + such as "
            f"carry-over+test-skips-layers, or '{WITHOUT}carry-over'; the defects are {', '.join(DEFECTS)}"
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
