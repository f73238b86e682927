"""One seed for each (study seed, role, replicate, fold).

Seeds never depend on the condition, so that conditions can be compared in pairs: every condition of a replicate sees
the same splits, the same batch order and, where its layers agree, the same initial weights.
"""

import hashlib
from typing import Literal

Role = Literal["limit", "split", "weights", "shuffle", "dropout", "augment", "holdout"]


def build_seed(study_seed: int, role: Role, replicate: int = 0, fold: int = 0, rank: int = 0) -> int:
    """A seed in [0, 2³²), the same on every machine and in every order of execution.

    `rank` is for what each device of a trial draws by itself, the masks of dropout.
    """
    text = f"{study_seed}/{role}/{replicate}/{fold}" + (f"/{rank}" if rank else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
