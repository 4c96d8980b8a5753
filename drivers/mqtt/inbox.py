"""What a connection has received and not acknowledged, in arrival order."""

from collections import deque
from collections.abc import Iterable


class Inbox:
    """PUBACKs leave in the order in which the messages came (5.0 4.6), one for each message.

    A broker may use a packet id again before we acknowledged it, against 2.2.1: mosquitto 2.0.11 does, when it sends
    over 65 535 messages again to a session. Each delivery is owed a PUBACK of its own then, or the broker keeps the
    others for good; the first of an id that is safe is taken for the one that came first.
    """

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._unsafe: dict[int, int] = {}  # packet id -> deliveries of it that are not safe yet
        self._safe: dict[int, int] = {}  # packet id -> those that are, and wait for what came before them

    def __len__(self) -> int:
        return len(self._order)

    def take(self, packet_id: int) -> None:
        """A message came."""
        self._order.append(packet_id)
        self._unsafe[packet_id] = self._unsafe.get(packet_id, 0) + 1

    def release(self, packet_ids: Iterable[int]) -> list[int]:
        """These are safe; gives the ids with nothing unsafe before them, to be acknowledged now. Unknown ids are passed
        over."""
        unsafe, safe, order = self._unsafe, self._safe, self._order
        for packet_id in packet_ids:
            if packet_id in unsafe:
                _count_down(unsafe, packet_id)
                safe[packet_id] = safe.get(packet_id, 0) + 1
        ready = []
        while order and order[0] in safe:
            packet_id = order.popleft()
            _count_down(safe, packet_id)
            ready.append(packet_id)
        return ready


def _count_down(counts: dict[int, int], packet_id: int) -> None:
    if counts[packet_id] == 1:
        del counts[packet_id]
    else:
        counts[packet_id] -= 1
