"""Places where a test may kill the process: HUB_FAILPOINT="before_commit:3" ends it, as kill -9 would, on the third
pass. Without the variable a call costs one dictionary look-up."""

import os
from collections import Counter

_name, _, _pass = os.environ.get("HUB_FAILPOINT", "").partition(":")
_passes: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """End the process here if the environment says so."""
    if name == _name:
        _passes[name] += 1
        if _passes[name] == int(_pass or "1"):
            os._exit(137)
