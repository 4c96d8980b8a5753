"""The bare baseline: our receiver, msgspec, one COPY into a heap table, PUBACK after the commit. Nothing else.

`python -m bench.bare PORT DATABASE_URL` runs until it is killed.
"""

import asyncio
import random
import sys
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

from drivers.mqtt.client import MqttClient
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import Publish
from hub.clock import SystemClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Message(msgspec.Struct, gc=False):
    ts: int
    seq: int
    boot: int
    temperature: float


async def main(port: int, url: str) -> None:
    queue: list[Publish] = []
    news = asyncio.Event()

    def take(batch: list[Publish]) -> None:
        queue.extend(batch)
        news.set()
        if len(queue) > 20_000:
            client.pause()

    options = MqttOptions(host="127.0.0.1", port=port, client_id="bench-bare", version=4,
                          subscriptions=(("community/bench/bench/+/state", 1),))  # fmt: skip
    client = MqttClient(options, take, SystemClock(), random.Random())
    running = asyncio.ensure_future(client.run())
    decode = msgspec.json.Decoder(Message).decode
    connection = await psycopg.AsyncConnection.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS bare (ts timestamptz, device int, value float8, seq int)")
    await connection.commit()
    while not running.done():
        await news.wait()
        await asyncio.sleep(0.02)
        news.clear()
        while batch := queue[:5000]:
            del queue[: len(batch)]
            async with connection.cursor() as cursor, cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["timestamptz", "int4", "float8", "int4"])
                for message in batch:
                    said = decode(message.payload)
                    device = int(message.topic[-9:-6])
                    await copy.write_row((EPOCH + timedelta(microseconds=said.ts), device, said.temperature, said.seq))
            await connection.commit()
            client.ack(client.session_no, [message.packet_id for message in batch])
            client.resume()
    running.result()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
