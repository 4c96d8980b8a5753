"""What really happened, as the simulator writes it down: one JSON object a line. The oracle of `hub verify`.

Written before the thing is said on the wire, so that a lost message is seen as lost.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec


class TruthRun(msgspec.Struct, tag="run", tag_field="truth"):
    """A run of the simulator begins or ends. A file may hold many runs, one after the other."""

    at: int  # microseconds UTC
    phase: Literal["begins", "ends"]
    seed: int


class TruthEvent(msgspec.Struct, tag="event", tag_field="truth"):
    """A device event said on the wire. `outcome` unknown: the send was cut, so 0 or 1 copies are right, never 2.

    A `message` number links it to a later `TruthOutcome`, whose word counts then.
    """

    device: str
    name: str
    at: int  # device time, microseconds UTC, as the device writes it
    sequence: int | None = None
    outcome: Literal["ok", "unknown"] = "ok"
    data: dict[str, Any] = {}
    timed: bool = True  # False: no device time on the wire; `at` is only when it was said
    message: int | None = None


class TruthFault(msgspec.Struct, tag="fault", tag_field="truth"):
    """An injected fault that must become exactly one alarm of `rule` at `device`. `ends` None: still standing."""

    device: str
    rule: str
    begins: int
    due: int  # the alarm must stand by then (duration of the rule plus slack), microseconds UTC
    ends: int | None = None


class TruthCounter(msgspec.Struct, tag="counter", tag_field="truth"):
    """What a meter's register read at an instant, exactly as its digits show it ("1234.56", canonical unit)."""

    device: str
    point: str
    at: int
    value: str
    timed: bool = False  # True: told with this device time; False: a register to be polled, which holds it from `at` on
    message: int | None = None


class TruthOutcome(msgspec.Struct, tag="outcome", tag_field="truth"):
    """What became of everything with that message number: acknowledged by the broker, or cut and not sent again."""

    message: int
    outcome: Literal["ok", "unknown"]


Truth = TruthRun | TruthEvent | TruthFault | TruthCounter | TruthOutcome

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Truth)


def write_truth(file: TextIO, record: Truth) -> None:
    """Append a record and hand it to the operating system at once (it must survive kill -9 of the simulator)."""
    file.write(_encoder.encode(record).decode() + "\n")
    file.flush()


def read_truth(path: Path) -> Iterator[Truth]:
    """The records of a file; a last line cut by a kill is skipped. ValueError names a bad line elsewhere."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _decoder.decode(line)
        except msgspec.MsgspecError as error:
            if number >= len(lines) - 1:
                return
            raise ValueError(f"{path}:{number}: {error}") from error
