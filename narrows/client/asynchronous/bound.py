"""Analyses and trials that know the client that they came from."""

import html

from narrows.client import types
from narrows.client.asynchronous.pages import AsyncPages
from narrows.client.asynchronous.resource import AsyncBound
from narrows.vocabulary import ENDED


class AsyncAnalysis(AsyncBound, types.Analysis):
    """An analysis, with its results, which are asked for as they are needed."""

    noun = "analysis"

    @property
    def url(self) -> str:
        """The page that shows it."""
        return f"{self._client.url}/analyses/{self.id}"

    @property
    def has_ended(self) -> bool:
        """Whether it has succeeded, failed or was cancelled."""
        return self.state in ENDED

    @property
    def layers(self) -> AsyncPages[types.Layer]:
        """The layers in the network's order, each with its verdict."""
        return self._client.analyses.layers(self.id)

    @property
    def structures(self) -> AsyncPages[types.Structure]:
        """The channels that are cut together, each with its saliency."""
        return self._client.analyses.structures(self.id)

    @property
    def plans(self) -> AsyncPages[types.Plan]:
        """The plans for other widths, as edits of module attributes."""
        return self._client.analyses.plans(self.id)

    @property
    def artifacts(self) -> AsyncPages[types.Artifact]:
        """The networks that it built."""
        return self._client.analyses.artifacts(self.id)

    async def report(self) -> str:
        """Return its report, a page that needs no other file."""
        return await self._client.analyses.report(self.id)

    async def refresh(self) -> "AsyncAnalysis":
        """Return it as it is now."""
        return await self._client.analyses.retrieve(self.id)

    async def wait(self, timeout: float | None = None) -> "AsyncAnalysis":
        """Return it when it has ended, as `client.analyses.wait` does."""
        return await self._client.analyses.wait(self.id, timeout)

    async def cancel(self) -> "AsyncAnalysis":
        """Cancel it; one that has ended stays as it is."""
        return await self._client.analyses.cancel(self.id)

    def _repr_html_(self) -> str:
        """Return a line and a link, as notebooks show them."""
        found = ", ".join(self.summary.bottlenecks) if self.summary else ""
        said = f"{self.state}{f'; bottlenecks: {found}' if found else ''}"
        link = f'<a href="{html.escape(self.url)}">{html.escape(self.id)}</a>'
        return f"<p>Analysis {link}: {html.escape(said)}</p>"


class AsyncTrial(AsyncBound, types.Trial):
    """A trial, with its runs, which are asked for as they are needed."""

    noun = "trial"

    @property
    def url(self) -> str:
        """The page that shows it."""
        return f"{self._client.url}/trials/{self.id}"

    @property
    def has_ended(self) -> bool:
        """Whether it has succeeded, failed or was cancelled."""
        return self.state in ENDED

    @property
    def runs(self) -> AsyncPages[types.TrialRun]:
        """The runs, each with its loss curve, also while it trains."""
        return self._client.trials.runs(self.id)

    @property
    def artifacts(self) -> AsyncPages[types.TrialArtifact]:
        """The networks that it trained."""
        return self._client.trials.artifacts(self.id)

    async def refresh(self) -> "AsyncTrial":
        """Return it as it is now."""
        return await self._client.trials.retrieve(self.id)

    async def wait(self, timeout: float | None = None) -> "AsyncTrial":
        """Return it when it has ended, as `client.trials.wait` does."""
        return await self._client.trials.wait(self.id, timeout)

    async def cancel(self) -> "AsyncTrial":
        """Cancel it; one that has ended stays as it is."""
        return await self._client.trials.cancel(self.id)
