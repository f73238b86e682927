"""Whether a study's own parts have arrived where its trials will run."""

from collections.abc import Mapping
from pathlib import Path

from tune_app.errors import TuneAppError
from tune_app.executors.staging import use_staged_study
from tune_app.parts.catalog import locate
from tune_app.parts.fingerprints import fingerprint_definition
from tune_app.parts.networks import Network
from tune_app.parts.references import Scope, describe_users_error
from tune_app.study.define import Definition
from tune_app.trial import build_network

REMEDY = "install there what is missing, or list files that your code reads under files:"


def find_lacking_parts(
    definitions: Mapping[str, Definition],
    networks: Mapping[str, Network],
    expected: Mapping[str, str],
    root: Path | None,
) -> list[str]:
    """Sentences on definitions that this process cannot import, cannot build a network of, or has other source of.

    `networks` has one for each model that is defined, `expected` the fingerprints where the study was started. Loaders
    are left out: data travel as arrays.
    """
    root = use_staged_study() or root or Path.cwd()
    problems = []
    for name, definition in definitions.items():
        if definition.kind == "data":
            continue
        try:
            locate(definition.kind, definition.reference)
            if fingerprint_definition(definition, root) != expected[name]:
                problems.append(
                    f"define.{name}: {definition.reference} has another source or version than where the study was "
                    "started; install the same one there"
                )
            elif name in networks:
                build_network(networks[name], root)
        except TuneAppError as error:
            problems.append(f"define.{name}: {error}")
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            told = describe_users_error(error, Scope(root))
            problems.append(f"define.{name}: {definition.reference} cannot be used there: {told}; {REMEDY}")
    return problems
