"""/metrics in Prometheus' text format and /healthz, for machines that watch the hub."""

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.auth import identify, remote_of
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import Health
from hub.context import Context

router = APIRouter(tags=["machines"])
_FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")


class _Figures(Collector):
    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        status = self._context.status
        counts = CounterMetricFamily("hub_messages", "What went through the pipeline, by counter", labels=["counter"])
        for name, value in sorted(status.counters.items()):
            counts.add_metric([name], value)
        yield counts
        yield GaugeMetricFamily("hub_queue", "Arrivals waiting", value=status.queue)
        yield GaugeMetricFamily("hub_lag_seconds", "Age of the oldest arrival at its commit", value=status.lag_us / 1e6)
        yield GaugeMetricFamily(
            "hub_last_commit_seconds", "Time of the last commit", value=(status.last_commit or 0) / 1e6
        )
        yield GaugeMetricFamily("hub_live_readers", "Open screens and streams", value=self._context.live.readers)
        parts = GaugeMetricFamily("hub_part_running", "1 while a part of the hub runs", labels=["part"])
        for name, part in sorted(status.parts.items()):
            parts.add_metric([name], float(part.state == "running"))
        yield parts


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}, 401: RESPONSES[401]}, response_class=Response)
async def metrics(request: Request) -> Response:
    """Figures of the whole process: for this machine without a key, for others with an API key or session."""
    local = remote_of(request) in ("127.0.0.1", "::1") and not any(name in request.headers for name in _FORWARDED)
    hub = hub_of(request)
    if not local:
        await identify(hub, request)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(hub.context))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers. It says nothing of the database: /api/v1/system does."""
    return Health(status="ok")
