"""Known vulnerabilities of the versions in constraints.txt, by pip-audit; without the network it says so.

Exit codes: 0 none is known, 1 some are, 3 nothing or not everything could be asked for.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
OPTIONS = ("--progress-spinner", "off", "--no-deps", "--disable-pip", "--format", "json")


def main(program: str, *more: str) -> int:
    """`program` is pip-audit's path, `more` are options for it, such as `-s osv`."""
    command = [program, *OPTIONS, "-r", str(CONSTRAINTS), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        sys.stdout.write(f"Nothing was checked: the advisories cannot be reached ({last[:300]}).\n")
        return 3
    skipped = [each["name"] for each in found if "skip_reason" in each]
    bad = [(each, one) for each in found for one in each.get("vulns", ())]
    for each, one in bad:
        fixed = ", ".join(one.get("fix_versions", ())) or "no version yet"
        sys.stdout.write(f"{each['name']} {each['version']}: {one['id']}, mended in {fixed}\n")
    sys.stdout.write(
        f"{len(found) - len(skipped)} of {len(found)} packages checked, {len(bad)} vulnerabilities known.\n"
    )
    if skipped:
        sys.stdout.write(f"No advisories could be had for {', '.join(skipped[:5])}{', …' if skipped[5:] else ''}.\n")
    return 1 if bad else 3 if skipped else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
