"""All kinds of work. To add one, write a file, a row here, and a task in `service.broker`."""

from itertools import chain
from typing import Any, Final

from service.database.jobs import JobKind
from service.database.tables import ANALYSES
from service.database.trials import TRIALS
from worker.runtime.leases import Work
from worker.runtime.work.inspection import INSPECT_DATASET, INSPECT_MODEL
from worker.runtime.work.plan import PLAN
from worker.runtime.work.plan_trial import PLAN_TRIAL
from worker.runtime.work.reduce import FOLLOW_UP, REDUCE
from worker.runtime.work.reduce_trial import REDUCE_TRIAL
from worker.runtime.work.shard import SHARD
from worker.runtime.work.train import TRAIN

PRECEDENCE: Final[tuple[tuple[Work, ...], ...]] = (
    (INSPECT_MODEL, INSPECT_DATASET),
    (REDUCE, FOLLOW_UP, REDUCE_TRIAL),
    (SHARD,),
    (PLAN, PLAN_TRIAL),
    (TRAIN,),
)
"""Which of an owner's work goes first: what has begun is finished before more is begun.

Training comes last: a trial takes far longer than an analysis.
"""
ALL_WORK: Final = tuple(chain.from_iterable(PRECEDENCE))

JOB_KINDS: Final[tuple[JobKind[Any], ...]] = (ANALYSES, TRIALS)
