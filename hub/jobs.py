"""Side effects: procrastinate runs what batches queued in their own transactions."""

from collections.abc import Mapping

import procrastinate

from hub.plugins import Task

_RETRY = procrastinate.RetryStrategy(max_attempts=10, exponential_wait=2)


def job_app(conninfo: str, tasks: Mapping[str, Task]) -> procrastinate.App:
    """The queue's app with every task the plugs offer, each retried with growing waits."""
    connector = procrastinate.PsycopgConnector(
        conninfo=conninfo, kwargs={"options": "-c search_path=public"}, min_size=1, max_size=4
    )
    app = procrastinate.App(connector=connector)
    for name, task in tasks.items():
        app.task(name=name, queue="hub", retry=_RETRY)(task)
    return app


async def run_jobs(app: procrastinate.App) -> None:
    """Work on jobs until cancelled. psycopg.OperationalError when the store goes away."""
    async with app.open_async():
        await app.run_worker_async(
            queues=["hub"], concurrency=2, fetch_job_polling_interval=1.0, install_signal_handlers=False,
            delete_jobs="successful", listen_notify=True,
        )  # fmt: skip
