"""A worker's metrics for Prometheus: how work ended, how long it took, the memory of the GPUs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.settings import Settings
from worker.hardware import gpu

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)

WORK = Histogram(
    "narrows_work_seconds",
    "How long pieces of work took, by how they ended: done, failed, cancelled, lost, returned or "
    "error",
    ["task", "ended"],
    buckets=SECONDS,
)
RETRIES = Counter("narrows_work_retries", "Attempts after the first", ["task"])
SANDBOX = Gauge(
    "narrows_sandbox_layer", "1 if this layer of the children's sandbox holds, else 0", ["layer"]
)


def _of_jobs(suffix: str, text: str) -> dict[str, Histogram]:
    """Return a histogram for each kind of job."""
    kinds = (("analysis", "analyses"), ("trial", "trials"))
    return {
        noun: Histogram(f"narrows_{noun}_{suffix}", text % nouns, ["state"], buckets=SECONDS)
        for noun, nouns in kinds
    }


JOBS = _of_jobs("seconds", "How long %s took from the request to their last state")
STAGES = _of_jobs("stage_seconds", "How long %s were in a state, each time that they were in it")


def count_job(noun: str, history: Sequence[tuple[str, datetime]]) -> None:
    """Count an ended job; `history` has its states in order, each with its start time."""
    for (state, since), (_, until) in pairwise(history):
        STAGES[noun].labels(state).observe((until - since).total_seconds())
    (_, begun), (state, ended) = history[0], history[-1]
    JOBS[noun].labels(state).observe((ended - begun).total_seconds())


def serve_metrics(settings: Settings) -> None:
    """Serve metrics at `settings.metrics_port`, if it is set; raise OSError if that fails."""
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, settings.metrics_host)


class GpuMemory(Collector):
    """Queries the driver at each scrape."""

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "narrows_gpu_memory_bytes", "Memory of the visible GPUs", labels=["gpu", "kind"]
        )
        for memory in gpu.memory():
            family.add_metric([memory.gpu, "used"], memory.used)
            family.add_metric([memory.gpu, "total"], memory.total)
        yield family


REGISTRY.register(GpuMemory())
