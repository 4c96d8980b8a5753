"""Which values mean nothing to a condition that remembers nothing: most, so they are told apart quickly. Pure."""

from rules.conditions import Condition, Near, Occasion, Sequence, Several, Threshold, Window

Tests = tuple[tuple[int, float | tuple[float, ...]], ...]
"""A value is of interest where it passes one: 1 above, -1 below, 0 one of."""


def levels_of(condition: Condition, device: int, point: str) -> Tests | None:
    """What a sample of this point of this device must pass to move a state that is None; None: each may."""
    match condition:
        case Threshold():
            return (_threshold(condition),)
        case Window(holds=Threshold() as holds):
            return (_threshold(holds),) if point == holds.point else ()
        case Several(parts=parts):
            levels = [part for part in parts if isinstance(part, Threshold)]
            return tuple(_threshold(one) for one in levels if one.point == point) if len(levels) == len(parts) else None
        case Near(members=members, level=level):
            member = members.get(device)
            return (_threshold(member),) if isinstance(member, Threshold) and level.sign > 0 else None
        case Sequence():
            every = (*condition.steps, *(each for some in condition.absent for each in some))
            return tuple(_occasion(one, device) for one in every if one.point == point and device in one.devices)
        case _:
            return None


def _threshold(one: Threshold) -> tuple[int, float | tuple[float, ...]]:
    return (one.sign, one.limit) if one.sign else (0, (one.limit,))


def _occasion(one: Occasion, device: int) -> tuple[int, float | tuple[float, ...]]:
    if one.above is not None:
        return 1, one.above
    return (-1, one.below) if one.below is not None else (0, one.values.get(device, ()))


def passes(tests: Tests, value: float) -> bool:
    for sign, limit in tests:
        if value in limit if isinstance(limit, tuple) else value > limit if sign > 0 else value < limit:
            return True
    return False
