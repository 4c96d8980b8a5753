"""kill -9, again and again, while rounds fall due and guards tap: each thing is told exactly once."""

import asyncio
import random
import signal
import sys
import time

from tests.integration.patrol_child import FastClock
from tests.integration.patrol_ground import Ground, ground, opened

SPEED = 300.0
HOURS = 1.6


async def keeper(here: Ground, epoch: float) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.patrol_child", here.url, str(epoch), str(SPEED),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    return child


async def test_a_keeper_that_is_killed_at_any_moment_tells_everything_exactly_once(postgres_url: str):
    chance = random.Random(11)
    async with ground(postgres_url) as here:
        await here.patrols.keeper.plan_ahead()
        epoch = time.time() + 1
        kills = 0
        async with opened(here.url, FastClock(epoch, SPEED)) as live:
            while time.time() < epoch + HOURS * 3600 / SPEED or kills < 4:
                child = await keeper(live, epoch)
                for _ in range(chance.randrange(1, 8)):
                    await asyncio.sleep(chance.uniform(0, 0.15))
                    device = chance.choice(["patrol-1", "patrol-2", "door-b1-u1", "door-garage-2"])
                    await live.tap(device, "checkpoint_read" if "patrol" in device else "access_granted")
                child.send_signal(signal.SIGKILL)
                await child.wait()
                kills += 1
            await live.again().keeper.tick()
        over = here.rows("SELECT id, told, state FROM patrol.round WHERE 'closed' = ANY (told)")
        told = here.rows("SELECT key FROM hub.report")
        assert kills > 3 and len(over) > 10
        assert len({state for _, _, state in over}) > 1, "how many taps come in time depends on the machine"
        expected = {
            f"patrol:{number}:{key}" for number, keys in here.rows("SELECT id, told FROM patrol.round")
            for key in keys if key != "closed" and not key.startswith("remind")
        }  # fmt: skip
        assert sorted(key for (key,) in told) == sorted(expected)
        for _, keys, state in over:
            assert ("overdue" in keys) == ("settled" in keys)
            assert "overdue" in keys or state in ("complete", "late")
            assert "finished" in keys or "missed" in keys
