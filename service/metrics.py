"""`/metrics`, in Prometheus's text format: requests, unfinished work, workers."""

from typing import Final

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.requests import Request
from starlette.types import Scope

from service.database.queue import QueueRepository
from service.http.dependencies import FromApp, Session
from service.http.problem_schema import responses
from service.http.query import refuse_unknown_query
from service.http.security import Credentials, authorize
from service.workers.repository import WorkerRepository

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

router = APIRouter(tags=["health"])


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Histogram(
            "narrows_http_request_seconds",
            "Seconds from a request to the start of its response",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.queue = Gauge(
            "narrows_queue_depth",
            "Uploads, analyses, trials and their parts that have not ended",
            ["kind", "state"],
            registry=self.registry,
        )
        self.workers = Gauge("narrows_workers", "Workers that are alive", registry=self.registry)

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a response; labels come from fixed sets, so that no client can add one."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(method, route, status).observe(seconds)


def _may_read(request: Request, services: FromApp, credentials: Credentials) -> None:
    if services.settings.metrics_access == "admin":
        authorize(request, services, credentials, "admin")
    refuse_unknown_query(request)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    dependencies=[Depends(_may_read)],
    responses=responses(401, 403, 422, 429, 500, 503),
)
def read_metrics(request: Request, session: Session) -> str:
    """Return the metrics of this process and the counts of unfinished work, for Prometheus.

    The counts include the work of all owners. So the scope `admin` is needed, unless
    `NARROWS_METRICS_ACCESS` is `anyone`.
    """
    metrics: Metrics = request.app.state.metrics
    for (kind, state), count in QueueRepository(session).depth().items():
        metrics.queue.labels(kind, state).set(count)
    metrics.workers.set(WorkerRepository(session).alive())
    return generate_latest(metrics.registry).decode()
