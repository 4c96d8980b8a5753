"""Outgoing webhooks to a real receiver: verified with the specifications' own libraries; links; kills; the REST API."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from fastapi import Depends, FastAPI, Request
from standardwebhooks import Webhook, WebhookVerificationError

from hub.clock import FakeClock, SystemClock
from hub.errors import Refused
from hub.jobs import job_app
from hub.principal import Principal
from hub.store.database import NotThere
from modules.notifications.doors import make_doors
from modules.notifications.tokens import BadToken
from modules.notifications.webhooks import TYPES
from tests.integration.notifications_ground import Ground, Receiver, killed_at, migrated, roster
from tests.integration.postgres import new_database

ANNUNCIATED, SETTLED = TYPES["annunciated"], TYPES["settled"]
LI = {"person": 2, "code": "g02", "name": "李志强", "account": "guard", "phone": "13800000002", "post": "control"}


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    made = Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)
    made.clock = FakeClock(SystemClock().now())  # verifiers compare the signature's time with their own clock
    made.write([])
    return made


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


async def add_hook(ground: Ground, parts: Any, hook: Receiver, *types: str) -> tuple[int, str]:
    return await parts.service.endpoints.create(ground.engineer, "erp", f"{hook.url}/in?x=1", types or [ANNUNCIATED])


async def test_a_webhook_is_a_signed_cloudevent(ground: Ground, hook: Receiver):
    async with ground.running() as parts:
        _, secret = await add_hook(ground, parts, hook)
        await ground.tell(parts, alarm := ground.alarm(text={"zh": "京A12345", "en": "京A12345"}))
    [got] = hook.got
    assert got.path == "/in?x=1"
    verified = Webhook(secret).verify(got.body, got.headers)
    event = from_structured(HTTPMessage(got.headers, got.body), JSONFormat())
    assert (event.get_type(), event.get_source(), event.get_subject()) == (
        ANNUNCIATED, "/communities/demo", "devices/door-b1-u1",
    )  # fmt: skip
    assert event.get_time() == ground.clock.now()
    assert verified["data"]["id"] == alarm and verified["data"]["text"]["zh"] == "***45"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(got.body + b" ", got.headers)


async def test_retries_have_one_id_and_one_body_and_a_fresh_time(ground: Ground, hook: Receiver):
    hook.answers = [500, (302, {"Location": "/x"}, b""), 503, (429, {"Retry-After": "900"}, b"")]
    async with ground.running() as parts:
        await add_hook(ground, parts, hook)
        await ground.tell(parts, ground.alarm())
        await ground.pass_time(parts, 3 * 3600, 60)
    assert ground.states() == {"delivered": 1} and len(hook.got) == 5
    assert len({one.headers["webhook-id"] for one in hook.got}) == 1
    assert len({one.body for one in hook.got}) == 1
    assert len({one.headers["webhook-timestamp"] for one in hook.got}) == 5


async def test_two_secrets_sign_for_a_day_after_rotation(ground: Ground, hook: Receiver):
    async with ground.running() as parts:
        number, old = await add_hook(ground, parts, hook)
        new = await parts.service.endpoints.rotate(ground.engineer, number)
        await ground.tell(parts, ground.alarm())
        for secret in (old, new):
            Webhook(secret).verify(hook.got[0].body, hook.got[0].headers)
        ground.clock.advance(86_401)
        await ground.tell(parts, ground.alarm())
        assert len(hook.got[1].headers["webhook-signature"].split()) == 1
        listed = await parts.service.endpoints.recent(ground.engineer)
    assert not any("whsec" in str(value) for value in listed[0].values())


async def test_gone_disables_and_the_rest_is_kept_for_replay(ground: Ground, hook: Receiver):
    hook.answers = [410]
    async with ground.running() as parts:
        number, _ = await add_hook(ground, parts, hook)
        await parts.telling.annunciated(**ground.job(ground.alarm()))
        await ground.tell(parts, ground.alarm())
        [endpoint] = await parts.service.endpoints.recent(ground.engineer)
        assert endpoint["state"] == "disabled" and len(hook.got) == 1
        assert ground.states() == {"dead": 2}
        await parts.service.endpoints.resume(ground.engineer, number)
        since = ground.clock.now() - timedelta(hours=1)
        assert await parts.service.replay_since(ground.engineer, f"webhook:{number}", since) == 2
        await parts.pump.settle()
        assert ground.states() == {"delivered": 2}
        assert await parts.service.replay_since(ground.engineer, f"webhook:{number}", since, delivered=True) == 2
        await parts.pump.settle()
    assert len(hook.got) == 5 and len({one.headers["webhook-id"] for one in hook.got}) == 2


async def test_a_paused_endpoint_waits_and_a_removed_one_is_forgotten(ground: Ground, hook: Receiver):
    async with ground.running() as parts:
        number, _ = await add_hook(ground, parts, hook)
        await parts.service.endpoints.pause(ground.engineer, number)
        await ground.tell(parts, ground.alarm())
        assert ground.states() == {"queued": 1}
        await parts.service.endpoints.resume(ground.engineer, number)
        await parts.pump.settle()
        assert ground.states() == {"delivered": 1}
        await parts.service.endpoints.pause(ground.engineer, number)
        await ground.tell(parts, ground.alarm())
        await parts.service.endpoints.remove(ground.engineer, number)
        assert await parts.service.endpoints.recent(ground.engineer) == []
    assert ground.states() == {"delivered": 1, "dead": 1}
    assert ground.rows("SELECT secret, previous_secret FROM notifications.endpoint") == [("", None)]


async def test_a_hanging_endpoint_keeps_only_itself_waiting(
    ground: Ground, hook: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("modules.notifications.outgoing.TOTAL_S", 6.0)
    async with ground.running() as parts, Receiver() as other:
        hook.usual = "hang"
        await add_hook(ground, parts, hook)
        await parts.service.endpoints.create(ground.engineer, "two", other.url, [ANNUNCIATED])
        await parts.telling.annunciated(**ground.job(ground.alarm()))
        await parts.pump.look()
        while not other.got:
            await asyncio.sleep(0.01)
        assert ground.rows("SELECT count(*) FROM notifications.delivery WHERE state = 'sending'")[0][0] >= 1
        await parts.pump.settle()


async def test_every_event_once_whatever_runs_twice(ground: Ground, hook: Receiver):
    async with ground.running() as parts:
        await add_hook(ground, parts, hook, *TYPES.values())
        [(storm,)] = ground.rows(
            "INSERT INTO hub.alarm_storm (community_id, since, last_at) VALUES (%s, %s, %s) RETURNING id",
            ground.here, ground.clock.now(), ground.clock.now(),
        )  # fmt: skip
        tasks = ground.plug.tasks(parts.context)
        handlers = ground.plug.handlers()
        alarm = ground.alarm(state="active_acknowledged")
        for _ in range(2):
            for event, task in handlers.items():
                storms = {"community_id": ground.here, "storm_id": storm}
                await tasks[task](**storms if event.startswith("storm") else ground.job(alarm))
        await parts.pump.settle()
    types = [one.json["type"] for one in hook.got]
    assert sorted(types) == sorted(set(TYPES.values()) - {TYPES["test"]})


async def test_a_program_learns_that_an_alarm_was_acknowledged_and_that_it_ended(ground: Ground, hook: Receiver):
    async with ground.running() as parts:
        await add_hook(ground, parts, hook, TYPES["settled"])
        alarm = ground.alarm()
        for state in ("active_acknowledged", "normal"):
            ground.rows("UPDATE hub.alarm SET state = %s", state)
            for _ in range(2):
                await parts.telling.settled(**ground.job(alarm))
        await parts.pump.settle()
    assert [one.json["data"]["state"] for one in hook.got] == ["active_acknowledged", "normal"]
    assert len({one.json["id"] for one in hook.got}) == 2


async def test_jobs_queued_as_the_pipeline_does_are_run(ground: Ground, hook: Receiver):
    async with ground.running() as parts:
        await add_hook(ground, parts, hook)
        arguments = psycopg.types.json.Jsonb(ground.job(ground.alarm()))
        ground.rows(
            "SELECT public.procrastinate_defer_jobs_v1("
            "ARRAY[ROW('hub', %s, 0, 'alarm-1', NULL, %s, NULL)::public.procrastinate_job_to_defer_v1])",
            ground.plug.handlers()["alarm_annunciated"], arguments,
        )  # fmt: skip
        app = job_app(ground.url, ground.plug.tasks(parts.context))
        async with app.open_async():
            await app.run_worker_async(queues=["hub"], wait=False, install_signal_handlers=False, listen_notify=False)
        await parts.pump.settle()
    assert len(hook.got) == 1


@pytest.mark.parametrize("failpoint", ["notification_claimed", "notification_sent"])
async def test_killed_between_claim_send_and_record_the_receiver_counts_one(
    ground: Ground, hook: Receiver, failpoint: str
):
    """A03: an idempotent receiver counts 1; one that is not is told of a possible repetition."""
    ground.write([{"id": "group", "url": hook.url.replace("http", "json") + "/group"}])
    async with ground.running() as parts:
        await add_hook(ground, parts, hook)
        await parts.telling.annunciated(**ground.job(ground.alarm()))
        await parts.pump._ladder.climb()
    # The second finds what the first had not begun; what it had is left alone for a while.
    codes = [await asyncio.to_thread(killed_at, ground, failpoint) for _ in range(2)]
    assert codes[0] == 137
    assert "delivered" not in ground.states()
    ground.clock.advance(120)
    async with ground.running() as parts:
        await parts.pump.settle()
    assert ground.states() == {"delivered": 2}
    hooks = [one for one in hook.got if "webhook-id" in one.headers]
    assert len({one.headers["webhook-id"] for one in hooks}) == 1
    texts = [one.json["message"] for one in hook.got if one.path == "/group"]
    assert texts and all("可能重复" in text for text in texts[1:])


# -- links ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def linked(ground: Ground, hook: Receiver) -> AsyncIterator[Any]:
    """A running module, a browser on its doors, and the path of the link in a message to 李志强."""
    url = hook.url.replace("http", "json") + "/send?:to={phone}"
    ground.write([{"id": "sms", "url": url}], {"high": [{"post": "control", "channels": ["sms"]}]})
    async with ground.running(ports=roster(LI)) as parts:
        alarm = ground.alarm()
        await ground.tell(parts, alarm)
        [link] = re.findall(r"https://hub.example.com(/notice/\S+)", hook.got[0].json["message"])
        app = FastAPI()
        app.include_router(make_doors(parts.service))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as browser:
            yield parts, browser, link, alarm


async def test_a_scanner_that_opens_the_link_acknowledges_nothing(ground: Ground, linked: Any):
    _, browser, link, _ = linked
    for _ in range(3):
        shown = await browser.get(link)
        assert shown.status_code == 200 and "确认这条报警" in shown.text and "李志强" in shown.text
    assert ground.rows("SELECT state FROM hub.alarm") == [("active_unacknowledged",)]


async def test_the_button_acknowledges_once_as_that_person(ground: Ground, linked: Any):
    _, browser, link, _ = linked
    done = await browser.post(link)
    assert done.status_code == 200 and "已确认" in done.text
    assert ground.rows("SELECT state, acknowledged_by FROM hub.alarm") == [("active_acknowledged", "notice:guard")]
    again = await browser.post(link)
    assert again.status_code == 409 and "链接已使用过" in again.text and "The link was used" in again.text
    assert (await browser.get(link)).status_code == 409
    actors = ground.rows("SELECT actor FROM hub.audit WHERE action = 'notification.acknowledge'")
    assert actors == [("notice:guard",)]


async def test_a_link_that_is_old_changed_or_of_elsewhere_is_refused(ground: Ground, linked: Any):
    parts, browser, link, _ = linked
    head, token = link.rsplit("/", 1)
    for wrong in (f"{head}/{token[:-2]}xx", f"{head}/{token.upper()}", f"{head}/x", f"/notice/other/{token}",
                  f"/notice/nowhere/{token}", f"{head}/{'a' * 2000}", f"{head}/..%00"):  # fmt: skip
        for answer in (await browser.get(wrong), await browser.post(wrong)):
            assert answer.status_code == 404
            assert "链接无效" in answer.text and "not valid" in answer.text
    ground.clock.advance(1801)
    expired = await browser.post(link)
    assert expired.status_code == 410 and "链接已过期" in expired.text and "has expired" in expired.text
    assert ground.rows("SELECT state FROM hub.alarm") == [("active_unacknowledged",)]
    with pytest.raises(BadToken):
        await parts.service.acknowledge("demo", token, "")


async def test_a_call_that_is_answered_with_one_acknowledges(ground: Ground, hook: Receiver):
    """The contract of a calling gateway: `message` is read out, `acknowledge` is POSTed when 1 is pressed."""
    url = hook.url.replace("http", "json") + "/call?:to={phone}"
    ground.write([{"id": "call", "url": url, "voice": True}], {"high": [{"post": "control", "channels": ["call"]}]})
    async with ground.running(ports=roster(LI)) as parts:
        await ground.tell(parts, ground.alarm())
        order = hook.got[0].json
        assert order["to"] == "13800000002" and "http" not in order["message"]
        app = FastAPI()
        app.include_router(make_doors(parts.service))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as gateway:
            path = order["acknowledge"].removeprefix("https://hub.example.com")
            assert (await gateway.post(path)).status_code == 200
    assert ground.rows("SELECT acknowledged_by FROM hub.alarm") == [("notice:guard",)]


# -- rights, other communities, addresses --------------------------------------------------------------------------


async def test_who_may_what(ground: Ground, hook: Receiver):
    guard = Principal("user:li", ground.here, "guard")
    stranger = Principal("user:x", ground.there, "admin")
    async with ground.running() as parts:
        number, _ = await add_hook(ground, parts, hook)
        await ground.tell(parts, alarm := ground.alarm())
        [row] = await parts.service.deliveries(guard, alarm)
        hooks = parts.service.endpoints
        for attempt in (hooks.create(guard, "a", hook.url, [SETTLED]), hooks.recent(guard),
                        parts.service.test_channel(guard, "x"), parts.service.replay(guard, row["id"])):  # fmt: skip
            with pytest.raises(Refused) as refused:
                await attempt
            assert refused.value.status == 403
        assert await parts.service.recent(stranger) == []
        for attempt in (parts.service.show(stranger, row["id"]), parts.service.endpoints.rotate(stranger, number),
                        parts.service.endpoints.test(stranger, number)):  # fmt: skip
            with pytest.raises(NotThere):
                await attempt
        assert await parts.service.replay_since(stranger, f"webhook:{number}", ground.clock.now()) == 0


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://127.0.0.1:5432/", None), ("http://10.0.0.1/", "forbidden_address"), ("ftp://127.0.0.1/", "bad_url"),
     ("http://169.254.169.254/latest/meta-data", "forbidden_address"), ("http://u:p@127.0.0.1/", "bad_url"),
     ("https://[::1]/", "forbidden_address"), ("http://8.8.8.8/", "forbidden_address"), ("https://8.8.8.8/", None),
     ("http://127.0.0.1:99999/", "bad_url"), ("http:///x", "bad_url"), ("https://a.example.com/#x", "bad_url"),
     ("https://no-such-host.invalid/", None)],
)  # fmt: skip
async def test_addresses_of_endpoints(ground: Ground, url: str, code: str | None):
    async with ground.running() as parts:
        if code is None:
            await parts.service.endpoints.create(ground.engineer, "a", url, [SETTLED])
            return
        with pytest.raises(Refused) as refused:
            await parts.service.endpoints.create(ground.engineer, "a", url, [SETTLED])
    assert refused.value.code == code


async def test_the_routes(ground: Ground, hook: Receiver):
    def sign_in(request: Request) -> None:
        request.state.principal = ground.engineer

    ground.write([{"id": "group", "url": hook.url.replace("http", "json")}])
    async with ground.running() as parts:
        app = FastAPI()
        app.include_router(ground.plug.routes(parts.context), dependencies=[Depends(sign_in)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
            new = {"name": "erp", "url": hook.url, "types": [ANNUNCIATED]}
            made = await client.post("/notifications/webhooks", json=new)
            assert made.status_code == 201 and made.json()["secret"].startswith("whsec_")
            path = f"/notifications/webhooks/{made.json()['id']}"
            assert (await client.post("/notifications/webhooks", json=new | {"x": 1})).status_code == 422
            changed = {"url": hook.url, "types": [SETTLED, ANNUNCIATED]}
            assert (await client.put(path, json=changed)).status_code == 204
            assert "whsec_" in (await client.post(f"{path}/secret")).json()["secret"]
            assert (await client.post(f"{path}/test")).json()["delivery"]
            for action in ("pause", "resume"):
                assert (await client.post(f"{path}/{action}")).status_code == 200
            assert (await client.post(f"{path}/explode")).status_code == 422
            assert (await client.post("/notifications/channels/group/test")).json()["deliveries"]
            await ground.tell(parts, ground.alarm())
            listed = (await client.get("/notifications/webhooks")).json()["items"]
            assert listed[0]["types"] == sorted([SETTLED, ANNUNCIATED]) and "secret" not in listed[0]
            channels = (await client.get("/notifications/channels")).json()["items"]
            assert channels[0]["service"] == "json://…" and "127.0.0.1" not in str(channels)
            page = (await client.get("/notifications/deliveries", params={"limit": 2})).json()
            rest = (await client.get("/notifications/deliveries", params={"cursor": page["next"]})).json()
            assert len(page["items"]) == 2 and len(rest["items"]) == 2 and rest["next"] is None
            one = (await client.get(f"/notifications/deliveries/{page['items'][0]['id']}")).json()
            assert one["attempts_made"][0]["outcome"] == "delivered"
            body = {"target": "channel:group", "since": "2026-01-01T00:00:00Z"}
            assert (await client.post("/notifications/replay", json=body)).json() == {"replayed": 0}
            naive = body | {"since": "2026-01-01T00:00:00"}
            assert (await client.post("/notifications/replay", json=naive)).status_code == 422
            assert (await client.delete(path)).status_code == 204
            assert (await client.get("/notifications/webhooks")).json()["items"] == []
