# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""The resources of the API, with a method for each operation of `openapi.json`.

Written by `python -m service.openapi`; don't edit.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Unpack

from narrows.client import types
from narrows.client.api_object import either
from narrows.client.requests import path_of
from narrows.client.sse import Event
from narrows.client.synchronous.bound import Analysis, Trial
from narrows.client.synchronous.files import Files
from narrows.client.synchronous.jobs import Jobs
from narrows.client.synchronous.pages import Pages
from narrows.client.synchronous.resource import Api, Resource
from narrows.client.transfer import OnRead
from narrows.vocabulary import (
    AnalysisState,
    UploadSessionState,
    UploadState,
)


class Analyses(Jobs[Analysis]):
    """Analyses."""

    _resource, _kind = "analyses", Analysis

    def create(self, **request: Unpack[types.AnalysisRequest]) -> Analysis:
        """Start an analysis: which layers of a model are bottlenecks. Poll the URL in
        `Location`.
        """
        return self._new(Analysis, "POST", "/v1/analyses", body=request)

    def list(
        self,
        *,
        page_size: int | None = None,
        q: str | None = None,
        tag: Sequence[str] | None = None,
        metadata: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        state: AnalysisState | None = None,
        model_id: str | None = None,
        dataset_id: str | None = None,
    ) -> Pages[Analysis]:
        """List analyses, newest first."""
        return self._pages(
            Analysis,
            "/v1/analyses",
            {
                "page_size": page_size,
                "q": q,
                "tag": tag,
                "metadata": metadata,
                "created_after": created_after,
                "created_before": created_before,
                "state": state,
                "model_id": model_id,
                "dataset_id": dataset_id,
            },
        )

    def retrieve(self, analysis_id: str) -> Analysis:
        """Return an analysis and its progress.

        With `Prefer: wait=N` the response comes when the analysis has ended, or after N
        seconds. With `If-None-Match` as well, it also comes as soon as the analysis has
        changed. A server that is about to stop answers at once.
        """
        return self._one(Analysis, "GET", path_of("/v1/analyses/{}", analysis_id))

    def update(self, analysis_id: str, /, **request: Unpack[types.NamingChange]) -> Analysis:
        """Change the name, tags and metadata of an analysis, as a JSON merge patch (RFC 7396)
        does.
        """
        return self._one(Analysis, "PATCH", path_of("/v1/analyses/{}", analysis_id), body=request)

    def delete(self, analysis_id: str) -> None:
        """Delete an ended analysis, its results and the networks that it built."""
        self._none("DELETE", path_of("/v1/analyses/{}", analysis_id))

    def cancel(self, analysis_id: str) -> Analysis:
        """Cancel an analysis. An analysis that has ended is returned unchanged; that is no
        error.
        """
        return self._one(Analysis, "POST", path_of("/v1/analyses/{}/cancel", analysis_id))

    def events(self, analysis_id: str) -> Iterator[Event]:
        """Stream the events of an analysis to its end: all, or those after `Last-Event-ID`.

        A server that is about to stop ends the stream before that: connect again.
        """
        return self._events(path_of("/v1/analyses/{}/events", analysis_id))

    def layers(self, analysis_id: str, *, page_size: int | None = None) -> Pages[types.Layer]:
        """List the layers in the network's order, each with its verdict."""
        return self._pages(
            types.Layer, path_of("/v1/analyses/{}/layers", analysis_id), {"page_size": page_size}
        )

    def structures(
        self, analysis_id: str, *, page_size: int | None = None
    ) -> Pages[types.Structure]:
        """List the structures (channels that are pruned together), each with its saliency."""
        return self._pages(
            types.Structure,
            path_of("/v1/analyses/{}/structures", analysis_id),
            {"page_size": page_size},
        )

    def plans(self, analysis_id: str, *, page_size: int | None = None) -> Pages[types.Plan]:
        """List the plans: changes of layer widths, as edits of module attributes."""
        return self._pages(
            types.Plan, path_of("/v1/analyses/{}/plans", analysis_id), {"page_size": page_size}
        )

    def create_plan(self, analysis_id: str, /, **request: Unpack[types.PlanRequest]) -> Analysis:
        """Make a plan of your own, by factors for widths, or the plan `advise`, by a budget.

        The answer is a follow-up with this plan: poll the URL in `Location`, then read its
        `/plans`.
        """
        return self._new(
            Analysis, "POST", path_of("/v1/analyses/{}/plans", analysis_id), body=request
        )

    def report(
        self,
        analysis_id: str,
        *,
        format: Literal["html", "md", "svg"] | None = None,
        figure: Literal[
            "network", "ratios", "worth", "score", "saliencies", "removals", "accuracy", "plans"
        ]
        | None = None,
    ) -> str:
        """Return the report of an analysis that succeeded."""
        return self._text(
            path_of("/v1/analyses/{}/report", analysis_id), {"format": format, "figure": figure}
        )

    def comparison(self, analysis_id: str, against: str) -> types.Comparison:
        """Compare an analysis with an earlier one; both must have succeeded."""
        return self._one(
            types.Comparison,
            "GET",
            path_of("/v1/analyses/{}/comparison", analysis_id),
            query={"against": against},
        )

    def artifacts(self, analysis_id: str, *, page_size: int | None = None) -> Pages[types.Artifact]:
        """List the built networks: one `.pt2` file for each plan that `build` names."""
        return self._pages(
            types.Artifact,
            path_of("/v1/analyses/{}/artifacts", analysis_id),
            {"page_size": page_size},
        )

    def download(
        self, analysis_id: str, name: str, path: str | Path, on_read: OnRead | None = None
    ) -> Path:
        """Download a file, or one range of its bytes; its entity tag is its SHA-256."""
        return self._download(
            path_of("/v1/analyses/{}/artifacts/{}", analysis_id, name), name, path, on_read
        )

    def create_follow_up(
        self, analysis_id: str, /, **request: Unpack[types.FollowUpRequest]
    ) -> Analysis:
        """Analyse again from the partial sums of an analysis, with other options, without its
        data.

        The answer is an analysis of its own: poll the URL in `Location`.
        """
        return self._new(
            Analysis, "POST", path_of("/v1/analyses/{}/follow-ups", analysis_id), body=request
        )

    def create_build(self, analysis_id: str, /, **request: Unpack[types.BuildRequest]) -> Analysis:
        """Build the network of a plan, verified against the original on random inputs.

        The answer is a follow-up with this plan: poll the URL in `Location`, then read its
        `/artifacts`.
        """
        return self._new(
            Analysis, "POST", path_of("/v1/analyses/{}/builds", analysis_id), body=request
        )


class Audit(Resource):
    """Audit."""

    def list(self, *, owner: str | None = None, page_size: int | None = None) -> Pages[types.Audit]:
        """List who uploaded, asked, cancelled, deleted and made keys, newest first."""
        return self._pages(types.Audit, "/v1/audit", {"owner": owner, "page_size": page_size})


class Datasets(Files[types.Dataset]):
    """Datasets."""

    _resource, _kind = "datasets", types.Dataset

    def upload(
        self, path: str | Path, on_read: OnRead | None = None, **fields: Unpack[types.DatasetUpload]
    ) -> types.Dataset:
        """Upload samples and targets; a worker then inspects them.

        The file is an archive of arrays `x` and `y` (`.npz`), or of images in a folder for
        each class (`.zip`, `.tar`), a WebDataset shard, Parquet or safetensors. Several
        inputs are `x0`, `x1`, … in the order of the network's, or have the names of its
        inputs.
        """
        return self._upload(path, on_read, fields)

    def list(
        self,
        *,
        page_size: int | None = None,
        q: str | None = None,
        tag: Sequence[str] | None = None,
        metadata: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        state: UploadState | None = None,
    ) -> Pages[types.Dataset]:
        """List datasets, newest first."""
        return self._pages(
            types.Dataset,
            "/v1/datasets",
            {
                "page_size": page_size,
                "q": q,
                "tag": tag,
                "metadata": metadata,
                "created_after": created_after,
                "created_before": created_before,
                "state": state,
            },
        )

    def retrieve(self, dataset_id: str) -> types.Dataset:
        """Return a dataset."""
        return self._one(types.Dataset, "GET", path_of("/v1/datasets/{}", dataset_id))

    def update(self, dataset_id: str, /, **request: Unpack[types.UploadChange]) -> types.Dataset:
        """Change the name, tags and metadata of a dataset, and when it expires."""
        return self._one(
            types.Dataset, "PATCH", path_of("/v1/datasets/{}", dataset_id), body=request
        )

    def delete(self, dataset_id: str) -> None:
        """Delete a dataset that no analysis refers to."""
        self._none("DELETE", path_of("/v1/datasets/{}", dataset_id))


class Keys(Resource):
    """Keys."""

    def create(self, **request: Unpack[types.KeyRequest]) -> types.NewKey:
        """Make a key. It is in this answer only: keep it."""
        return self._one(types.NewKey, "POST", "/v1/keys", body=request)

    def list(self, *, owner: str | None = None, page_size: int | None = None) -> Pages[types.Key]:
        """List the keys, newest first; revoked and expired ones too."""
        return self._pages(types.Key, "/v1/keys", {"owner": owner, "page_size": page_size})

    def retrieve(self, key_id: str) -> types.Key:
        """Return a key; revoked and expired ones too."""
        return self._one(types.Key, "GET", path_of("/v1/keys/{}", key_id))

    def revoke(self, key_id: str) -> None:
        """Revoke a key at once."""
        self._none("DELETE", path_of("/v1/keys/{}", key_id))

    def rotate(self, key_id: str, /, **request: Unpack[types.RotateRequest]) -> types.NewKey:
        """Make a key in place of another one, which stays valid for a while, so that none fails."""
        return self._one(types.NewKey, "POST", path_of("/v1/keys/{}/rotate", key_id), body=request)


class Models(Files[types.Model]):
    """Models."""

    _resource, _kind = "models", types.Model

    def upload(
        self, path: str | Path, on_read: OnRead | None = None, **fields: Unpack[types.ModelUpload]
    ) -> types.Model:
        """Upload a trained network, a `torch.export` archive (`.pt2`); a worker then inspects
        it.
        """
        return self._upload(path, on_read, fields)

    def list(
        self,
        *,
        page_size: int | None = None,
        q: str | None = None,
        tag: Sequence[str] | None = None,
        metadata: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        state: UploadState | None = None,
    ) -> Pages[types.Model]:
        """List models, newest first."""
        return self._pages(
            types.Model,
            "/v1/models",
            {
                "page_size": page_size,
                "q": q,
                "tag": tag,
                "metadata": metadata,
                "created_after": created_after,
                "created_before": created_before,
                "state": state,
            },
        )

    def retrieve(self, model_id: str) -> types.Model:
        """Return a model."""
        return self._one(types.Model, "GET", path_of("/v1/models/{}", model_id))

    def update(self, model_id: str, /, **request: Unpack[types.UploadChange]) -> types.Model:
        """Change the name, tags and metadata of a model, and when it expires."""
        return self._one(types.Model, "PATCH", path_of("/v1/models/{}", model_id), body=request)

    def delete(self, model_id: str) -> None:
        """Delete a model that no analysis refers to."""
        self._none("DELETE", path_of("/v1/models/{}", model_id))


class Owners(Resource):
    """Owners."""

    def list(self, *, page_size: int | None = None) -> Pages[types.Owner]:
        """List the owners by name, with what each has stored and asked for, and its limits."""
        return self._pages(types.Owner, "/v1/owners", {"page_size": page_size})

    def set_limits(self, owner: str, /, **request: Unpack[types.OwnLimits]) -> types.Owner:
        """Replace the limits of an owner that are other than usual; those left out are as usual."""
        return self._one(types.Owner, "PUT", path_of("/v1/owners/{}/limits", owner), body=request)

    def analyses(
        self,
        owner: str,
        *,
        page_size: int | None = None,
        q: str | None = None,
        tag: Sequence[str] | None = None,
        metadata: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        state: AnalysisState | None = None,
        model_id: str | None = None,
        dataset_id: str | None = None,
    ) -> Pages[Analysis]:
        """List the analyses of an owner, newest first."""
        return self._pages(
            Analysis,
            path_of("/v1/owners/{}/analyses", owner),
            {
                "page_size": page_size,
                "q": q,
                "tag": tag,
                "metadata": metadata,
                "created_after": created_after,
                "created_before": created_before,
                "state": state,
                "model_id": model_id,
                "dataset_id": dataset_id,
            },
        )

    def retention(self, owner: str) -> types.Retention:
        """Return for how many days the things of an owner are kept."""
        return self._one(types.Retention, "GET", path_of("/v1/owners/{}/retention", owner))

    def set_retention(
        self, owner: str, /, **request: Unpack[types.OwnRetention]
    ) -> types.Retention:
        """Replace for how many days the things of an owner are kept; what is left out is as
        usual.
        """
        return self._one(
            types.Retention, "PUT", path_of("/v1/owners/{}/retention", owner), body=request
        )


class Server(Resource):
    """Server."""

    def root(self) -> types.Root:
        """Say what this server is, and where its documentation is; browsers go on to the pages."""
        return self._one(types.Root, "GET", "/")

    def livez(self) -> types.Health:
        """Return 200 while the process runs."""
        return self._one(types.Health, "GET", "/livez")

    def readyz(self) -> types.Health:
        """Return 200 if database, schema and broker are available; a 503 names those that are
        not.
        """
        return self._one(types.Health, "GET", "/readyz")

    def metrics(self) -> str:
        """Return the metrics of this process and the counts of unfinished work, for Prometheus.

        The counts include the work of all owners. So the scope `admin` is needed, unless
        `NARROWS_METRICS_ACCESS` is `anyone`.
        """
        return self._text("/metrics", {})


class Trials(Jobs[Trial]):
    """Trials."""

    _resource, _kind = "trials", Trial

    def create(self, **request: Unpack[types.TrialRequest]) -> Trial:
        """Start a trial: train what plans build, and say what was gained. Poll the `Location`.

        Every variant is trained once with each seed, on the same samples and for as many
        steps.
        """
        return self._new(Trial, "POST", "/v1/trials", body=request)

    def list(
        self,
        *,
        page_size: int | None = None,
        q: str | None = None,
        tag: Sequence[str] | None = None,
        metadata: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        state: AnalysisState | None = None,
        model_id: str | None = None,
        dataset_id: str | None = None,
        analysis_id: str | None = None,
    ) -> Pages[Trial]:
        """List trials, newest first."""
        return self._pages(
            Trial,
            "/v1/trials",
            {
                "page_size": page_size,
                "q": q,
                "tag": tag,
                "metadata": metadata,
                "created_after": created_after,
                "created_before": created_before,
                "state": state,
                "model_id": model_id,
                "dataset_id": dataset_id,
                "analysis_id": analysis_id,
            },
        )

    def retrieve(self, trial_id: str) -> Trial:
        """Return a trial, its progress and, once it has succeeded, what was gained.

        With `Prefer: wait=N` the response comes when the trial has ended, or after N seconds.
        With `If-None-Match` as well, it also comes as soon as the trial has changed. A server
        that is about to stop answers at once.
        """
        return self._one(Trial, "GET", path_of("/v1/trials/{}", trial_id))

    def update(self, trial_id: str, /, **request: Unpack[types.NamingChange]) -> Trial:
        """Change the name, tags and metadata of a trial, as a JSON merge patch (RFC 7396) does."""
        return self._one(Trial, "PATCH", path_of("/v1/trials/{}", trial_id), body=request)

    def delete(self, trial_id: str) -> None:
        """Delete an ended trial, its runs and the networks that they trained."""
        self._none("DELETE", path_of("/v1/trials/{}", trial_id))

    def cancel(self, trial_id: str) -> Trial:
        """Cancel a trial. A trial that has ended is returned unchanged; that is no error."""
        return self._one(Trial, "POST", path_of("/v1/trials/{}/cancel", trial_id))

    def events(self, trial_id: str) -> Iterator[Event]:
        """Stream the events of a trial to its end: all, or those after `Last-Event-ID`.

        The events `run` say that a run has done a segment, or how it ended. A server that is
        about to stop ends the stream before that: connect again.
        """
        return self._events(path_of("/v1/trials/{}/events", trial_id))

    def runs(self, trial_id: str, *, page_size: int | None = None) -> Pages[types.TrialRun]:
        """List the runs of a trial with their loss curves, also while it trains."""
        return self._pages(
            types.TrialRun, path_of("/v1/trials/{}/runs", trial_id), {"page_size": page_size}
        )

    def artifacts(
        self, trial_id: str, *, page_size: int | None = None
    ) -> Pages[types.TrialArtifact]:
        """List the trained networks: one `.pt2` file for each run that succeeded."""
        return self._pages(
            types.TrialArtifact,
            path_of("/v1/trials/{}/artifacts", trial_id),
            {"page_size": page_size},
        )

    def download(
        self, trial_id: str, name: str, path: str | Path, on_read: OnRead | None = None
    ) -> Path:
        """Download a trained network, or one range of its bytes; its entity tag is its SHA-256."""
        return self._download(
            path_of("/v1/trials/{}/artifacts/{}", trial_id, name), name, path, on_read
        )


class Uploads(Resource):
    """Uploads."""

    def create(self, **request: Unpack[types.UploadSessionRequest]) -> types.UploadSessionDetail:
        """Begin the upload of a large file in parts, which may come in any order and again."""
        return self._new(types.UploadSessionDetail, "POST", "/v1/uploads", body=request)

    def list(
        self,
        *,
        state: UploadSessionState | None = None,
        sha256: str | None = None,
        page_size: int | None = None,
    ) -> Pages[types.UploadSession]:
        """List the upload sessions that have not expired, newest first."""
        return self._pages(
            types.UploadSession,
            "/v1/uploads",
            {"state": state, "sha256": sha256, "page_size": page_size},
        )

    def retrieve(self, upload_id: str) -> types.UploadSessionDetail:
        """Return an upload session: what has arrived, and so what is missing."""
        return self._one(types.UploadSessionDetail, "GET", path_of("/v1/uploads/{}", upload_id))

    def cancel(self, upload_id: str) -> None:
        """Give an upload up and delete its parts."""
        self._none("DELETE", path_of("/v1/uploads/{}", upload_id))

    def complete(
        self, upload_id: str, /, **request: Unpack[types.UploadCompletion]
    ) -> types.Model | types.Dataset:
        """Check the whole file and make the model or dataset; again, the answer is the same."""
        return self._one(
            either(types.Model, types.Dataset),
            "POST",
            path_of("/v1/uploads/{}/complete", upload_id),
            body=request,
        )

    def put_part(self, upload_id: str, number: int, content: bytes) -> None:
        """Send a part. After the answer no crash loses it; to send it again changes nothing."""
        self._none("PUT", path_of("/v1/uploads/{}/parts/{}", upload_id, number), content=content)


class Usage(Resource):
    """Usage."""

    def retrieve(self) -> types.Owner:
        """Return what you have stored and asked for, and your limits."""
        return self._one(types.Owner, "GET", "/v1/usage")


class Webhooks(Resource):
    """Webhooks."""

    def create(self, **request: Unpack[types.WebhookRequest]) -> types.NewWebhook:
        """Be told when analyses and trials end. The secret is in this answer only: keep it.

        Messages, signatures and retries are those of Standard Webhooks.
        """
        return self._one(types.NewWebhook, "POST", "/v1/webhooks", body=request)

    def list(self, *, page_size: int | None = None) -> Pages[types.Webhook]:
        """List the webhooks, newest first."""
        return self._pages(types.Webhook, "/v1/webhooks", {"page_size": page_size})

    def retrieve(self, webhook_id: str) -> types.Webhook:
        """Return a webhook."""
        return self._one(types.Webhook, "GET", path_of("/v1/webhooks/{}", webhook_id))

    def update(self, webhook_id: str, /, **request: Unpack[types.WebhookChange]) -> types.Webhook:
        """Change a webhook's URL or events, or whether it is sent anything."""
        return self._one(
            types.Webhook, "PATCH", path_of("/v1/webhooks/{}", webhook_id), body=request
        )

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook with its deliveries."""
        self._none("DELETE", path_of("/v1/webhooks/{}", webhook_id))

    def rotate(self, webhook_id: str) -> types.NewWebhook:
        """Give a webhook another secret. Messages are signed with it from now on."""
        return self._one(types.NewWebhook, "POST", path_of("/v1/webhooks/{}/rotate", webhook_id))

    def test(self, webhook_id: str) -> types.Delivery:
        """Send a message `webhook.test`; its delivery says what became of it."""
        return self._one(types.Delivery, "POST", path_of("/v1/webhooks/{}/test", webhook_id))

    def deliveries(self, webhook_id: str, *, page_size: int | None = None) -> Pages[types.Delivery]:
        """List what was sent in the last 30 days and what waits, newest first, with all
        attempts.
        """
        return self._pages(
            types.Delivery,
            path_of("/v1/webhooks/{}/deliveries", webhook_id),
            {"page_size": page_size},
        )

    def resend_delivery(self, webhook_id: str, delivery_id: str) -> types.Delivery:
        """Send a message again, under the same id."""
        return self._one(
            types.Delivery,
            "POST",
            path_of("/v1/webhooks/{}/deliveries/{}/resend", webhook_id, delivery_id),
        )


class Workers(Resource):
    """Workers."""

    def list(self, *, page_size: int | None = None) -> Pages[types.Worker]:
        """List the workers by name, each with its current work.

        Workers serve all owners, so every key with the scope `read` sees all workers and
        whether they are busy. Only the owner of a model, dataset, analysis or trial sees
        which worker works on it, and keys with the scope `admin` do.
        """
        return self._pages(types.Worker, "/v1/workers", {"page_size": page_size})


class Resources(Api):
    """All resources."""

    def __init__(self) -> None:
        self.analyses = Analyses(self)
        self.audit = Audit(self)
        self.datasets = Datasets(self)
        self.keys = Keys(self)
        self.models = Models(self)
        self.owners = Owners(self)
        self.server = Server(self)
        self.trials = Trials(self)
        self.uploads = Uploads(self)
        self.usage = Usage(self)
        self.webhooks = Webhooks(self)
        self.workers = Workers(self)
