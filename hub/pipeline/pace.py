"""How large a batch may be: what comes meanwhile, life safety above all, waits for its end."""

from typing import Final

LONG_S: Final = 0.15
LEAST: Final = 100
_FEW: Final = 50
_OVERHEAD: Final = 3  # times what a batch costs by itself, it may take at least: a far store is not asked more often


class Pace:
    """Batches that take over 0.15 s become smaller, those that were full and took a third of it larger again.

    What a batch costs by itself (the way to the store, its commit) is learned from small ones, and from how little
    shorter half as large a one is. Where that is much, batches may take longer, or most of the time would go into it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._overhead_s = 0.0
        self._full = (0, 0.0)  # the last batch that was as large as it might be, and how long it took
        self.size = most
        """Arrivals of the next batch, at most."""

    def took(self, count: int, seconds: float) -> None:
        """A batch of `count` arrivals is done."""
        if 0 < count <= _FEW:
            self._learn(min(seconds, 1.0))
        if count >= self.size:
            before, took_s = self._full
            if before == 2 * count:
                self._learn(min(max(2 * seconds - took_s, 0.0), seconds))
            self._full = (count, seconds)
        aim_s = max(LONG_S, _OVERHEAD * self._overhead_s)
        if seconds > aim_s and count > _FEW:
            self.size = min(self.size, max(self.size // 2, LEAST))
        elif seconds < aim_s / 3 and count >= self.size:
            self.size = min(self.size * 2, self._most)

    def _learn(self, overhead_s: float) -> None:
        self._overhead_s += (overhead_s - self._overhead_s) / 3
