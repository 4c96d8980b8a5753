"""What a Modbus bus counts, for metrics."""

from dataclasses import dataclass


@dataclass
class Counters:
    """What the bus did since the start."""

    requests: int = 0
    answers: int = 0
    timeouts: int = 0
    skipped: int = 0  # polls left out because the bus or the hub could not keep up
    strays: int = 0  # late answers dropped
    resyncs: int = 0  # connections renewed because the stream made no sense
