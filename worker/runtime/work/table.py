"""All kinds of work. To add one, write a file, a row here, and a task in `service.broker`."""

from typing import Any, Final

from service.database.jobs import JobKind
from service.database.tables import ANALYSES
from service.database.trials import TRIALS
from worker.runtime.leases import Work
from worker.runtime.work.inspection import INSPECT_DATASET, INSPECT_MODEL
from worker.runtime.work.plan import PLAN
from worker.runtime.work.plan_trial import PLAN_TRIAL
from worker.runtime.work.reduce import REDUCE
from worker.runtime.work.reduce_trial import REDUCE_TRIAL
from worker.runtime.work.shard import SHARD
from worker.runtime.work.train import TRAIN

ALL_WORK: Final[tuple[Work, ...]] = (
    INSPECT_MODEL,
    INSPECT_DATASET,
    PLAN,
    SHARD,
    REDUCE,
    PLAN_TRIAL,
    TRAIN,
    REDUCE_TRIAL,
)

JOB_KINDS: Final[tuple[JobKind[Any], ...]] = (ANALYSES, TRIALS)
