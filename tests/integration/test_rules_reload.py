"""A12 over HTTP: versions are enabled and rolled back while doors talk; each event is judged by exactly one of them."""

import asyncio
from itertools import count

import httpx

from api.app import make_api
from api.auth import COOKIE
from api.hub import Hub
from tests.integration.pipeline_bench import Bench, make_bench

RULES = "/api/v1/rules"
HEAD = """rule: denied
title: {zh: 拒绝, en: Denied}
when: {kinds: [door]}
priority: low
text: {zh: 第%s版, en: version %s}
event: {name: access_denied%s}
examples:
  - {name: denied, steps: [{at: 0s, event: access_denied, data: {cause: %s}, expect: [raised, returned]}]}
  - {name: quiet, steps: [{at: 0s}]}
"""


def text(version: int, cause: str) -> str:
    """A version that hears of one cause only."""
    return HEAD % (version, version, f", where: {{cause: {cause}}}", cause)


async def talk(bench: Bench, numbers: "count[int]", done: asyncio.Event) -> int:
    """Events without a pause: in each message both causes are said of, by two doors; gives how many messages."""
    sent = 0
    while not done.is_set():
        sent = next(numbers)
        bench.clock.advance(0.01)
        both = [
            bench.door("access_denied", 2 * sent + n, cause=cause) for n, cause in enumerate(("unknown", "expired"))
        ]
        async with bench.hub.pipeline.between_batches():  # as the pipeline takes a batch
            await bench.feed(*both)
        await asyncio.sleep(0)
    return sent


async def test_each_event_is_judged_by_one_version_while_they_change_over_http(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door_state(1, "closed"))
        bench.clock.advance(1)
        hub = Hub(bench.hub.context)
        made = await hub.accounts.create_account("li", None, {bench.device("door-b1-u1").community_id: "engineer"})
        token = (await hub.accounts.login("li", made.password, "test")).token
        transport = httpx.ASGITransport(make_api(hub))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hub", cookies={COOKIE: token},
            headers={"Sec-Fetch-Site": "same-origin"},
        ) as client:  # fmt: skip

            async def ask(path: str, body: dict[str, object]) -> dict[str, object]:
                answer = await client.post(RULES + path, json=body)
                assert answer.is_success, answer.text
                found: dict[str, object] = answer.json()
                return found

            numbers, done = count(1), asyncio.Event()
            versions = []
            for version, cause in ((1, "unknown"), (2, "expired")):
                started = await ask("/backtests", {"text": text(version, cause), "days": 1})
                while (await client.get(f"{RULES}/backtests/{started['id']}")).json()["state"] == "running":
                    await asyncio.sleep(0.02)
                versions.append((await ask("", {"text": text(version, cause)}))["version"])
            first, second = versions
            await ask("/denied/enable", {"version": first})
            talking = asyncio.create_task(talk(bench, numbers, done))
            for _ in range(4):
                await ask("/denied/enable", {"version": second})
                await asyncio.sleep(0.05)
                await ask("/denied/roll-back", {"version": first})
                await asyncio.sleep(0.05)
            done.set()
            sent = await talking
        judged = bench.query(
            "SELECT e.data->>'cause', count(*) FROM hub.rule_decision d JOIN telemetry.event e ON e.frame_key = d.cause"
            " WHERE d.rule = 'denied' AND d.outcome = 'raised' GROUP BY 1 ORDER BY 1"
        )
        assert [cause for cause, _ in judged] == ["expired", "unknown"], "both versions were in force for a while"
        assert sum(number for _, number in judged) == sent, "of each pair exactly one event was an alarm"
        assert bench.query("SELECT sum(count)::int FROM hub.alarm WHERE rule = 'denied'") == [(sent,)]
