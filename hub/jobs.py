"""Side effects: procrastinate runs what batches queued in their own transactions."""

import asyncio
from collections.abc import Mapping
from typing import NoReturn

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import ConnectorException

from hub.clock import Clock
from hub.plugins import Task
from hub.tasks import end

_RETRY = procrastinate.RetryStrategy(max_attempts=10, exponential_wait=2)
_HEARTBEAT_S = 3.0
_DEAD_S = 15.0  # a worker not heard of for so long is dead; jobs are idempotent, should it live after all
_LONG_S = 45.0  # no job runs so long: it ended, and the store was away when that was to be written down
_OVERDUE = """
SELECT j.id FROM procrastinate_jobs j
WHERE j.status = 'doing' AND j.queue_name = 'hub' AND (
  SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started'
) < now() - make_interval(secs => %(seconds)s)
"""
_log = structlog.get_logger()


def job_app(conninfo: str, tasks: Mapping[str, Task]) -> procrastinate.App:
    """The queue's app with every task the plugs offer, each retried with growing waits."""
    connector = procrastinate.PsycopgConnector(
        conninfo=conninfo, kwargs={"options": "-c search_path=public"}, min_size=1, max_size=4
    )
    app = procrastinate.App(connector=connector)
    for name, task in tasks.items():
        app.task(name=name, queue="hub", retry=_RETRY)(task)
    return app


async def run_jobs(app: procrastinate.App, clock: Clock) -> None:
    """Work on jobs until cancelled, also on those a killed worker had begun. psycopg.OperationalError when the store
    goes away."""
    try:
        async with app.open_async():
            parts = [asyncio.ensure_future(work) for work in (_work(app), _take_up_abandoned(app, clock))]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                for part in done:
                    part.result()
            finally:
                await end(parts)
    except ConnectorException as error:
        raise psycopg.OperationalError(f"the job queue lost the store: {error.__cause__ or error}") from error


async def _work(app: procrastinate.App) -> None:
    await app.run_worker_async(
        queues=["hub"], concurrency=2, fetch_job_polling_interval=1.0, install_signal_handlers=False,
        delete_jobs="successful", listen_notify=True, update_heartbeat_interval=_HEARTBEAT_S,
        stalled_worker_timeout=_DEAD_S,
    )  # fmt: skip


async def _take_up_abandoned(app: procrastinate.App, clock: Clock) -> NoReturn:
    """Jobs whose worker died, or whose end could not be written down, stay `doing`, and with them every later job of
    their lock, until somebody does this."""
    while True:
        jobs = {
            job.id: job for job in await app.job_manager.get_stalled_jobs(queue="hub", seconds_since_heartbeat=_DEAD_S)
        }
        for row in await app.connector.execute_query_all_async(_OVERDUE, seconds=_LONG_S):
            jobs |= {job.id: job for job in await app.job_manager.list_jobs_async(id=row["id"])}
        for job in jobs.values():
            _log.warning("a job that was left in the middle is begun again", job=job.id, task=job.task_name)
            await app.job_manager.retry_job(job)
        await clock.sleep(_HEARTBEAT_S)
