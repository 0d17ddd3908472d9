"""The client's calls about trials."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack, cast

from narrows.client.calls import Calls, path_of
from narrows.client.errors import UnreachableError
from narrows.client.http import OnRead
from narrows.client.trial_types import Trial, TrialArtifact, TrialRequest, TrialRun
from narrows.client.waiting import TRIALS, read, watch
from narrows.vocabulary import AnalysisState


class TrialCalls(Calls):
    """Trials: train what plans build, and see what was gained."""

    def create_trial(self, **request: Unpack[TrialRequest]) -> Trial:
        """Request a trial; return it, queued.

        Give `model_id` and `dataset_id`, or an `analysis_id`, whose plans are tried. The server has
        defaults for all else.
        """
        headers = {"Idempotency-Key": secrets.token_hex(16)}  # the same for each repeat
        try:
            answer = self._connection.send("POST", "/v1/trials", json=request, headers=headers)
        except UnreachableError as error:
            error.hint = "The trial may have begun all the same; to see: narrows trials"
            raise
        return cast("Trial", answer.json())

    def trial(self, trial_id: str, wait: float = 0) -> Trial:
        """Return a trial as it is, or when it has ended, after at most `wait` seconds."""
        return cast("Trial", read(self._connection, TRIALS, trial_id, wait))

    def trials(self, limit: int | None = None, state: AnalysisState | None = None) -> list[Trial]:
        """Return the trials, or those in a state: the newest first, at most `limit`."""
        return self._list("trials", limit, state)

    def watch_trial(self, trial_id: str) -> Iterator[Trial]:
        """Yield a trial now, on each change and every few seconds, until it has ended."""
        return cast("Iterator[Trial]", watch(self._connection, TRIALS, trial_id))

    def wait_trial(self, trial_id: str, seconds: float | None = None) -> Trial:
        """Return a trial when it has ended, which may be `failed` or `cancelled`.

        Raises TimedOutError if it takes more than `seconds`. The trial then goes on.
        """
        *_, trial = watch(self._connection, TRIALS, trial_id, seconds)
        return cast("Trial", trial)

    def cancel_trial(self, trial_id: str) -> Trial:
        """Cancel a trial; one that has ended stays as it is."""
        path = f"{path_of('trials', trial_id)}/cancel"
        return cast("Trial", self._connection.send("POST", path).json())

    def delete_trial(self, trial_id: str) -> None:
        """Delete an ended trial, its runs and the networks that they trained."""
        self._connection.send("DELETE", path_of("trials", trial_id))

    def trial_runs(self, trial_id: str) -> list[TrialRun]:
        """Return the runs of a trial with their loss curves, also while it trains."""
        return list(self._items(f"{path_of('trials', trial_id)}/runs"))

    def trial_artifacts(self, trial_id: str) -> list[TrialArtifact]:
        """Return the trained networks of a trial that succeeded."""
        return list(self._items(f"{path_of('trials', trial_id)}/artifacts"))

    def download_trial(
        self, trial_id: str, name: str, path: str | Path, on_read: OnRead | None = None
    ) -> Path:
        """Download a trained network, as `download` does."""
        return self._download("trials", trial_id, name, path, on_read)
