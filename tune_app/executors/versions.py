"""Whether another process has the versions that scores depend on; importing this needs nothing that it may lack."""

from collections.abc import Mapping

from tune_app.records.environments import read_versions

COMPARED = ("tune_app", "python", "torch", "numpy")  # bit for bit the same numbers need these to be the same


def find_other_versions(expected: Mapping[str, str]) -> list[str]:
    """A sentence for each package that this process lacks or has in another version than `expected`."""
    found = read_versions()
    return [
        f"{name} {found[name]} there, {expected[name]} here"
        if name in found
        else f"{name} is not installed there, here it is {expected[name]}"
        for name in COMPARED
        if name in expected and found.get(name) != expected[name]
    ]
