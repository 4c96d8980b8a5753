"""What a connection has received and not acknowledged: packet ids in arrival order."""

from collections.abc import Iterable


def release_in_order(unacked: dict[int, bool], packet_ids: Iterable[int]) -> list[int]:
    """Mark `packet_ids` as safe; take out of `unacked` and return those with nothing unsafe before them.

    `unacked`: packet id, in arrival order, to whether it is safe. PUBACKs must leave in that order (5.0 4.6), so an
    id that is safe early stays until the ones that arrived before it are. Ids it does not know are passed over.
    """
    for packet_id in packet_ids:
        if packet_id in unacked:
            unacked[packet_id] = True
    ready = []
    for packet_id, safe in unacked.items():
        if not safe:
            break
        ready.append(packet_id)
    for packet_id in ready:
        del unacked[packet_id]
    return ready
