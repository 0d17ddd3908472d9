"""Analyses to disturb."""

from collections.abc import Collection
from typing import Any, Unpack

from narrows.client.types import AnalysisOptions
from tests.support.faults.records import Records
from tests.support.faults.site import PATIENCE, Site, Stopwatch
from tests.support.jobs import wait_until

BATCH = 4
"""Samples in a batch, and so in a shard."""


class Job:
    """An analysis, and what became of it."""

    def __init__(self, records: Records, identity: str) -> None:
        self.records, self.id = records, identity
        self.age = Stopwatch()

    @property
    def shards(self) -> int:
        return int(self.records.analysis(self.id)["shards"])

    @property
    def results(self) -> dict[str, Any]:
        return self.records.results(self.id)

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.records.analysis(self.id)["error"])

    @property
    def shards_left(self) -> int:
        return int(self.records.analysis(self.id)["remaining"])

    @property
    def repeated(self) -> int:
        """How many attempts its shards took beyond the first."""
        return self.records.attempts(self.id)

    def progresses(self, shards: int = 1) -> float:
        """Wait until so many more shards are done; return the seconds that it took."""
        before, watch = self.records.done(self.id), Stopwatch()
        return watch.until(lambda: self.records.done(self.id) >= before + shards or self.has_ended)

    def leased(self) -> list[Any]:
        """Return its shards that somebody holds."""
        return self.records.leased(self.id)

    def in_hand_ends(self, but: Collection[str] = ()) -> float:
        """Wait until what is held now is done or another's; return the seconds that it took."""
        held, watch = self._tokens() - set(but), Stopwatch()
        return watch.until(lambda: not held & self._tokens())

    def _tokens(self) -> set[str]:
        return {row["token"] for row in self.leased()}

    @property
    def has_ended(self) -> bool:
        return self.records.has_ended(self.id)

    def ends(self, state: str) -> float:
        """Wait for the end, which comes once and is this; return the seconds since the start."""
        wait_until(lambda: self.has_ended, PATIENCE)
        took = self.age()
        row = self.records.analysis(self.id)
        assert row["state"] == state, row["error"]
        assert self.records.finishes(self.id) == [state]
        return took

    def succeeds(self, like: "Job | None" = None) -> float:
        """Wait for its success, once, with the same results; return the seconds since the start."""
        took = self.ends("succeeded")
        assert self.records.analysis(self.id)["remaining"] == 0
        if like is not None:
            assert self.results == like.results
        return took


class Jobs:
    """Asks the site for analyses of one network on one dataset."""

    def __init__(self, site: Site, records: Records, model: str, dataset: str) -> None:
        self._site, self.records = site, records
        self.model, self.dataset = model, dataset

    def submit(self, **options: Unpack[AnalysisOptions]) -> Job:
        asked: AnalysisOptions = {"batch_size": BATCH, **options}
        made = self._site.client.analyses.create(
            model_id=self.model, dataset_id=self.dataset, **asked
        )
        return Job(self.records, made.id)

    def running(self, **options: Unpack[AnalysisOptions]) -> Job:
        """Submit a job and wait until some of its shards are done."""
        job = self.submit(**options)
        job.progresses(shards=5)
        return job
