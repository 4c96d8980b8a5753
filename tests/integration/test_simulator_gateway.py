"""A simulated gateway that is cut off: nobody listens at its port until it is back."""

import asyncio
from pathlib import Path

from simulators.faults import Fault
from simulators.timeline import SECOND
from tests.integration.mosquitto import Mosquitto
from tests.integration.test_simulator_wire import broker, running

__all__ = ["broker"]


async def test_lost_gateway_refuses_and_answers_again(broker: Mosquitto, tmp_path: Path) -> None:
    async with running(broker, tmp_path) as run:
        gateway = run.devices["gateway-b2"]
        port = int(run.environment["HUB_DEMO_MODBUS_PORT_B2"])

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return True
            writer.close()
            return False

        assert not await refused()
        elapsed = (run.plant.now - run.plant.time.start) / SECOND
        run.plant.schedule([Fault("gateway_lost", gateway.code, gateway.spec.name, elapsed, 4.0)])
        async with asyncio.timeout(100):
            while not await refused():
                await asyncio.sleep(0.05)
            while await refused():
                await asyncio.sleep(0.05)
