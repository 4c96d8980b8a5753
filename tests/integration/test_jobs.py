"""The job queue over a real PostgreSQL: what was left in the middle is begun again."""

import asyncio

import psycopg

from hub.clock import SystemClock
from hub.jobs import job_app, run_jobs
from hub.store.migrate import migrate
from hub.tasks import end


async def test_a_job_whose_end_could_not_be_written_down_is_done_again(database_url: str) -> None:
    migrate(database_url)
    done = asyncio.Event()

    async def note(word: str) -> None:
        assert word == "again"
        done.set()

    with psycopg.connect(database_url, options="-c search_path=public", autocommit=True) as link:
        link.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
        link.execute("UPDATE procrastinate_workers SET last_heartbeat = now() + interval '1 hour'")  # alive and well
        job = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('hub', 'note', %s)"
        link.execute(job, ['{"word": "again"}'])
        begun = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)"
        link.execute(begun)
        link.execute("UPDATE procrastinate_events SET at = now() - interval '10 minutes'")
        running = asyncio.create_task(run_jobs(job_app(database_url, {"note": note}), SystemClock()))
        async with asyncio.timeout(100):
            await done.wait()
        await end([running])
