"""One TCP connection to a Modbus server or gateway; one request at a time."""

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Final, cast

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.modbus.framer import Answer, StrictFramer
from hub.codecs.modbus import Source, exception_name
from hub.codecs.numbers import encode_number
from hub.errors import Misconfigured, Rejected, Unreachable
from hub.vocabulary.modbus import ModbusBus, ModbusWrite
from hub.vocabulary.numbers import NumberLayout, WordOrder

# The driver tells of every failure once, as run state; pymodbus would log each again.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

_READS: Final[dict[str, type[ModbusPDU]]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}
_NEVER: Final = 1 << 62


class NotSent(Unreachable):
    """Nothing left this machine."""


class NoAnswer(Unreachable):
    """The request went out and nothing (usable) came back in time."""


class BadAnswer(NoAnswer):
    """Something came back that is not an answer to the request."""


class Refusal(Rejected):
    """A Modbus exception response."""

    def __init__(self, code: int) -> None:
        super().__init__(exception_name(code))
        self.code = code


def read_request(source: Source) -> ModbusPDU:
    """The request that reads a place; it may be sent again and again."""
    return _READS[source.table](address=source.address, count=source.count, dev_id=source.unit)


def write_request(unit: int, write: ModbusWrite, order: WordOrder) -> ModbusPDU:
    """Function 5, 6 or 16, as table and type ask. Misconfigured: the value does not fit the type."""
    if write.table == "coil":
        return WriteSingleCoilRequest(address=write.address, bits=[bool(write.value)], dev_id=unit)
    try:
        wire = encode_number(NumberLayout(type=write.type), order, write.value)
    except ValueError as error:
        raise Misconfigured(f"the command's {error}") from error
    wire = wire.rjust(2, b"\0")
    registers = list(struct.unpack(f">{len(wire) // 2}H", wire))
    kind = WriteSingleRegisterRequest if len(registers) == 1 else WriteMultipleRegistersRequest
    return kind(address=write.address, registers=registers, dev_id=unit)


class Link:
    """A connection that is used once: when `lost` or `torn` is set, make a new one."""

    def __init__(self, bus: ModbusBus, on_lost: Callable[[], None]) -> None:
        """`on_lost` is called in the event loop when the other end goes away."""
        self._where = f"{bus.host}:{bus.port}"
        self._timeout_s = bus.timeout.total_seconds()
        self._on_lost = on_lost
        self._asking = False
        self.lost = ""
        self._client = AsyncModbusTcpClient(
            bus.host,
            port=bus.port,
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._connection_changed,
        )
        self._framer = self._client.ctx.framer = StrictFramer()
        self._client.set_max_no_responses(_NEVER)

    @property
    def torn(self) -> str:
        """Why the stream is of no more use; empty while it is. To be asked between requests."""
        if self._client.ctx.recv_buffer and not self._framer.torn:
            self._framer.torn = "a frame was cut short"
        return self._framer.torn

    @property
    def strays(self) -> int:
        """Late answers dropped so far."""
        return self._framer.strays

    async def connect(self) -> None:
        """Unreachable when the server does not accept within the bus's timeout."""
        if not await self._client.connect():
            raise NotSent(f"cannot connect to {self._where} within {self._timeout_s:g} s")

    def close(self) -> None:
        """Drop the connection at once."""
        self.lost = self.lost or "closed by the hub"
        transport = self._client.ctx.transport
        self._client.close()
        if transport is not None:
            cast(asyncio.Transport, transport).abort()  # uvloop's is none by class, only by its methods

    async def read(self, request: ModbusPDU, size: int) -> bytes:
        """The `size` data bytes of a read answer. Refusal, NoAnswer, BadAnswer; NotSent, Unreachable if lost."""
        pdu = await self._ask(request)
        if len(pdu) != size + 2 or pdu[1] != size:
            raise BadAnswer(f"an answer of {len(pdu) - 2} data bytes instead of {size}")
        return pdu[2:]

    async def write(self, request: ModbusPDU) -> None:
        """Write and check the echo. Raises as `read`."""
        pdu = await self._ask(request)
        if pdu[1:] != request.encode()[:4]:
            raise BadAnswer(f"the echo {pdu[1:].hex()} is not what was written")

    async def _ask(self, request: ModbusPDU) -> bytes:
        """The answer's PDU, function code first."""
        if self.lost or not self._client.connected:
            raise NotSent(f"no connection to {self._where}: {self.lost or 'not connected'}")
        if self.torn:
            raise NotSent(f"the connection to {self._where} must be renewed: {self.torn}")
        self._asking = True
        try:
            answer = await self._client.execute(False, request)
        except RuntimeError as error:  # uvloop's way of saying that the transport has just been closed
            raise NotSent(f"the connection to {self._where} was lost before the request was sent") from error
        except ModbusException as error:
            raise self._unanswered() from error
        finally:
            self._asking = False
        assert isinstance(answer, Answer)
        pdu = answer.pdu
        if answer.fault:
            raise BadAnswer(answer.fault)
        if pdu[0] == request.function_code | 0x80 and len(pdu) == 2:
            raise Refusal(pdu[1])
        if pdu[0] != request.function_code:
            raise BadAnswer(f"function {pdu[0]} answered instead of {request.function_code}")
        return pdu

    def _unanswered(self) -> Unreachable:
        if self.lost:
            return Unreachable(f"the connection to {self._where} was lost: {self.lost}")
        if self.torn:
            return BadAnswer(self.torn)
        return NoAnswer(f"no answer within {self._timeout_s:g} s")

    def _connection_changed(self, connected: bool) -> None:
        if connected or self.lost:
            return
        self.lost = "closed by the other end"
        waiting = self._client.ctx.response_future
        if self._asking and not waiting.done():
            waiting.set_exception(ModbusException(self.lost))
        self._on_lost()
