"""The head of a cluster that is to be joined: found, asked whether it takes this process, told of in a sentence."""

import subprocess
import sys
from pathlib import Path

from tune_app.errors import ResourceError
from tune_app.executors.address import REMEDY, find_deafness, parse_address, probe_address

ANSWER_SECONDS = 30  # for another Python that imports Ray and asks; a head that answers does so in one
TOKEN_REMEDY = (
    "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN here to what the head was started with (`ray get-auth-token` prints it "
    "there)"
)


def find_head(address: str) -> str:
    """The address of a head that answers, takes this user's token and has a node on this machine.

    Raises ResourceError with what is wrong: within 10 s where nothing listens.
    """
    probe_address(address)
    knock = [sys.executable, "-P", str(Path(__file__).with_name("knock.py")), address.strip()]
    try:
        done = subprocess.run(knock, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
        lines = done.stdout.splitlines()
    except subprocess.TimeoutExpired as late:
        out = late.stdout or b""
        lines = (out.decode() if isinstance(out, bytes) else out).splitlines()
    named = [line.removeprefix("address ") for line in lines if line.startswith("address ")]
    verdict, _, why = lines[-1].partition(" ") if lines else ("silent", "", "")
    if verdict == "ready":
        return named[-1]
    at = named[-1] if named else address
    place = parse_address(at)
    if verdict == "none":
        raise ResourceError(f"--address {address}: no cluster runs on this machine ({why}); {REMEDY}")
    if verdict == "token":
        raise ResourceError(f"--address {address}: the cluster refuses this user's token; {TOKEN_REMEDY}")
    if verdict == "apart":
        raise ResourceError(
            f"--address {address}: this machine is no node of that cluster; run `ray start --address={at}` here first, "
            "or start the study on a machine that has joined"
        )
    if place and (deaf := find_deafness(*place)):
        raise ResourceError(f"--address {address}: {deaf} ({at}); {REMEDY}")
    raise ResourceError(f"--address {address}: what listens there does not answer as Ray's head does; {REMEDY}")
