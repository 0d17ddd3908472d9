"""Opens the files of an analysis once, and computes with as many samples as fit into memory."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from narrows.options import AnalysisOptions
from worker.formats import dataset
from worker.formats.transform import Transform
from worker.pipeline.context import AnalysisContext, open_network
from worker.pipeline.microbatches import within_memory

Json = dict[str, Any]
T = TypeVar("T")


def open_analysis(
    model_path: str, dataset_path: str, transform: Json, request: Json
) -> AnalysisContext:
    """Return the network, the samples and the options of an analysis; raise RefusedError."""
    return open_once(
        model_path, dataset_path, Transform.from_json(transform), AnalysisOptions.from_json(request)
    )


@lru_cache(maxsize=2)
def open_once(
    model_path: str, dataset_path: str, transform: Transform, options: AnalysisOptions
) -> AnalysisContext:
    """Return what `open_analysis` does; files are content-addressed, so it stays valid."""
    samples = dataset.read(Path(dataset_path), transform)
    return AnalysisContext(open_network(model_path), samples, options)


def with_fewer_at_once(context: AnalysisContext, compute: Callable[[], T]) -> T:
    """Return what is computed; where memory runs out, with fewer samples at once."""

    def of_size(size: int) -> T:
        context.at_once = size
        return compute()

    size, smallest = context.at_once, context.smallest_batch
    return within_memory(of_size, size=size, smallest=smallest, most=context.batch)[0]
