"""A strict reader of Modbus TCP frames under pymodbus (Modbus Messaging on TCP/IP Implementation Guide V1.0b).

pymodbus 3.16 takes an answer with transaction id 0 for any request and one from any unit for a request to unit 0, does
not compare function codes, and waits for ever on a bad protocol id. An answer given to the wrong request is a wrong
value, so this one refuses.
"""

import struct
from typing import Final

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

_HEADER: Final = struct.Struct(">HHHB")
_LENGTHS: Final = range(3, 255)  # unit, function and at least one byte; at most a 253-byte PDU behind the unit


class Answer(ModbusPDU):
    """A frame that carries the asked transaction id, still raw. `fault` says why it is no answer all the same."""

    def __init__(self, unit: int, transaction_id: int, pdu: bytes, fault: str = "") -> None:
        super().__init__(unit, transaction_id)
        self.pdu = pdu
        self.fault = fault


class StrictFramer(FramerSocket):
    """`torn` is set for good once the stream makes no sense: only a new connection helps."""

    def __init__(self) -> None:
        super().__init__(DecodePDU(False))
        self.torn = ""
        self.strays = 0  # late answers and second copies, dropped

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:
        """(bytes used, the answer to the request under way or None)."""
        at, answer = 0, None
        while not self.torn and len(data) - at >= _HEADER.size:
            tid, protocol, length, unit = _HEADER.unpack_from(data, at)
            if protocol or length not in _LENGTHS:
                self.torn = f"bad MBAP header {data[at : at + _HEADER.size].hex()}"
                break
            stop = at + 6 + length
            if stop > len(data):
                break
            if tid != exp_tid or answer is not None:
                self.strays += 1
            else:
                fault = "" if unit == exp_devid else f"unit {unit} answered for unit {exp_devid}"
                answer = Answer(exp_devid, exp_tid, data[at + _HEADER.size : stop], fault)
            at = stop
        if self.torn:
            return len(data), answer or Answer(exp_devid, exp_tid, b"", self.torn)
        return at, answer
