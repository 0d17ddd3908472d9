"""The types of the API's objects, as `openapi.json` describes them.

Written by `python -m service.openapi`; don't edit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from narrows.client.api_object import ApiObject
from narrows.vocabulary import (
    AnalysisState,
    BudgetKind,
    CostKind,
    Curvature,
    GateKind,
    Init,
    LossName,
    MethodName,
    OptimizerName,
    PartState,
    PlanName,
    RuleName,
    ScheduleName,
    Stage,
    StartName,
    TaskName,
    TrialStage,
    UploadSessionState,
    UploadState,
    VariantKind,
    VerdictName,
    WebhookEvent,
    WorkerState,
)


class Analysis(ApiObject):
    """An analysis. A failed one also comes with status 200: `error` is the problem document."""

    id: str
    """Its id."""

    state: AnalysisState
    """`queued` until a worker takes it, and at the end `succeeded`, `failed` or `cancelled`."""

    name: str | None
    """What its owner calls it."""

    tags: list[str]
    """Words to list it by."""

    metadata: dict[str, str | bool | int | float]
    """What was added to find it again by, such as a git commit."""

    model_id: str
    """The id of the model."""

    dataset_id: str
    """The id of the dataset."""

    source_id: str | None
    """Of a follow-up: the analysis whose partial sums it uses; it may be gone."""

    request: dict[str, Any]
    """The request, with the defaults filled in."""

    progress: Progress
    """How far it is."""

    cancel_requested: bool
    """Whether a cancel was asked for; it ends soon then."""

    first_look: FirstLook | None
    """The score on the first samples, as soon as the analysis is planned."""

    summary: Summary | None
    """What it found, once it has succeeded."""

    provenance: dict[str, Any] | None
    """How the result was computed: versions, devices, hashes of the files, seed."""

    error: Problem | None
    """Why it failed (RFC 9457)."""

    created_at: datetime
    """When it was asked for."""

    started_at: datetime | None
    """When a worker took it; null before."""

    finished_at: datetime | None
    """When it ended; null before."""

    expires_at: datetime | None
    """When it is removed, unless something refers to it then; null: never, or not known before
    it has ended.
    """


class Artifact(ApiObject):
    """A built network: a `.pt2` file that can be uploaded as a model."""

    name: str
    """The name of the file."""

    size: int
    """Bytes."""

    sha256: str
    """SHA-256 of the file, in hexadecimal digits."""

    expires_at: datetime | None
    """When it is removed; null: never."""

    url: str
    """The path to download the file from."""


class Attempt(ApiObject):
    """An attempt to deliver."""

    at: datetime
    """When it ended."""

    status: int | None
    """The status of the answer; null: there was none."""

    error: str | None
    """Why there was none."""

    seconds: float
    """How long it took."""


class Audit(ApiObject):
    """A change: who made it, from where."""

    id: int
    """Later changes have greater ones."""

    at: datetime
    """When it was."""

    owner: str
    """Whose key it was."""

    key_id: str
    """The id of the key."""

    address: str | None
    """Where the request came from."""

    action: str
    """What was done."""

    subject: str
    """The id of what was changed."""

    request_id: str | None
    """As in the response's header and in the log."""


class Baseline(ApiObject):
    """The score of an answer that ignores the input."""

    loss: float | None
    """Mean loss; null where it is not finite."""

    accuracy: float | None
    """Share of the samples that are right (top-1); null for losses without that."""

    kind: Literal["constant", "shuffled"]
    """The best answer that is the same for all inputs; or, for losses that know none, the
    network's own outputs on the targets of other samples.
    """

    chance: Score | None
    """The score of guessing evenly among the classes."""


class Change(ApiObject):
    """What became of a layer; pairs are before and after, null where there is no such layer."""

    name: str
    """The name of the layer."""

    change: Literal[
        "new_bottleneck", "resolved", "worse", "better", "same", "unknown", "added", "removed"
    ]
    """`new_bottleneck` is a regression. `worse` and `better` are said only where the intervals
    do not touch.
    """

    verdicts: list[VerdictName | None]
    """Its verdicts."""

    widths: list[int | None]
    """Its channels."""

    measure: str | None
    """What `values` are; null where nothing can be compared but verdicts."""

    values: list[float] | None
    """How much a channel promises or scores."""

    intervals: list[list[float]] | None
    """Their 95 % intervals."""


class Comparison(ApiObject):
    """Two analyses of versions of a network, layer by layer, matched by name."""

    before: Analysis
    """The analysis `against` which it is compared."""

    after: Analysis
    """The analysis of the path."""

    differ: list[str]
    """What was asked of them that differs and bears on the result."""

    changes: list[Change]
    """The layers of `after` in the network's order, then those that it lacks."""


class Dataset(ApiObject):
    """Samples and targets; `inspection` has their shapes, classes and counts."""

    id: str
    """Its id, which analyses and paths name."""

    state: UploadState
    """`inspecting` until a worker has inspected it; `expired` when its file is gone."""

    name: str
    """The name given to it, or else that of the file."""

    filename: str
    """The name of the file when it was uploaded first."""

    tags: list[str]
    """Words to list it by."""

    metadata: dict[str, str | bool | int | float]
    """What was added to find it again by, such as a git commit."""

    sha256: str
    """SHA-256 of the file, in hexadecimal digits."""

    size: int
    """Bytes."""

    created_at: datetime
    """When it was uploaded."""

    expires_at: datetime | None
    """When its file is removed, unless work uses it then; null: never. Uploading it again begins
    the time anew.
    """

    inspection: dict[str, Any] | None
    """The result of the inspection; null unless it passed."""

    error: Problem | None
    """Why it was rejected (RFC 9457)."""

    transform: dict[str, Any]
    """The preprocessing declared at upload."""


class Delivery(ApiObject):
    """A message to a webhook, and what became of it."""

    id: str
    """Its id, the header `webhook-id`."""

    event: str
    """What it tells of."""

    state: Literal["pending", "delivered", "failed"]
    """How far it is."""

    payload: dict[str, Any]
    """Its body: `type`, `timestamp` and `data`."""

    attempts: list[Attempt]
    """What was tried, the oldest first."""

    next_attempt_at: datetime
    """When it is tried next, while pending."""

    created_at: datetime
    """When it was made."""


class Edit(ApiObject):
    """An edit of the source: another number, or other shapes, for an attribute of a module."""

    module: str
    """The module's name in the network."""

    attribute: str
    """Its attribute."""

    from_: int | list[Any]
    """What it is."""

    to: int | list[Any]
    """What it becomes."""


class Evaluation(ApiObject):
    """The scores before and after a change, on the same samples of the analysis."""

    before: Score
    """Of the network that was analysed."""

    after: Score
    """Of the network that was built."""

    remark: str | None
    """A warning where less than half of what the network had learned is left."""


class ExpectedGain(ApiObject):
    """What a layer gains per percent, on average over a widening by a fifth to a half."""

    parameters: Gain | None
    """For each percent of the network's parameters that it is widened by."""

    macs: Gain | None
    """For each percent of the network's MACs that it is widened by."""


class FirstLook(ApiObject):
    """The network's score on the first samples, before anything else is computed."""

    loss: float | None
    """Mean loss; null where it is not finite."""

    accuracy: float | None
    """Share of the samples that are right (top-1); null for losses without that."""

    samples: int
    """The number of these samples."""

    baseline: Baseline | None
    """What an answer that ignores the input gets."""

    doubt: str | None
    """Why model and dataset may not belong together, and what to check."""


class Gain(ApiObject):
    gain: float
    """The expected fall of the held-out loss."""

    interval: list[float]
    """Its prediction interval, at 95 %."""


class Health(ApiObject):
    """The server is well; otherwise it answers with a problem."""

    status: str
    """`ok`."""


class Key(ApiObject):
    """A key; what it is itself was shown once, when it was made."""

    id: str
    """Its id."""

    owner: str
    """The owner of everything that is uploaded with it."""

    name: str
    """What it is for."""

    scopes: list[Literal["read", "write", "admin"]]
    """What it allows; admin includes read."""

    created_at: datetime
    """When it was made."""

    last_used_at: datetime | None
    """To about a minute; null: never."""

    expires_at: datetime | None
    """Until when it is valid; null: no end."""

    revoked_at: datetime | None
    """When it was revoked; null: it was not."""


class Layer(ApiObject):
    name: str
    """The module's own name in the network."""

    op: str
    """The operator that computes it."""

    group: int | None
    """Channel group: its layers are pruned together."""

    width: int
    """Output channels."""

    parameters: int
    """Its numbers of weights and biases."""

    macs: int
    """Multiply-accumulates for one sample."""

    pruning_ratio: float | None
    """Share of its structures that is removed."""

    interval: list[float] | None
    """Confidence interval of that share."""

    p_value: float | None
    """Probability of so low a share for channels drawn at random, adjusted for the number of
    layers.
    """

    score: float | None
    """Mean rank of its structures among all: 0 if all are removed first, 1 if all are removed
    last.
    """

    score_interval: list[float] | None
    """Confidence interval of the score."""

    worth: float | None
    """How much the loss rises without one of its channels once all other channels have adapted:
    the upper quartile of its structures' worth. Null for methods other than sosp_i, joint and
    obs.
    """

    worth_interval: list[float] | None
    """Confidence interval of the worth, extended by how far it would grow with more samples."""

    worth_ratio: float | None
    """Its worth over that of the median layer: a channel here is worth so many typical channels."""

    promise: float | None
    """What one more channel of it promises, over what it promises in comparable layers: the rule
    worth names a layer from 3 on. Null where there are none, and for methods that do not
    measure worth.
    """

    promise_interval: list[float] | None
    """Confidence interval of the promise."""

    widen_rank: int | None
    """Its place in `widen here first`: 1 for the layer where more parameters promise most;
    layers that share it are equal, or share their channels. Null for methods that do not
    measure worth, and where every verdict is withheld.
    """

    expected_gain: ExpectedGain | None
    """What widening it gains, by a calibration on small networks; null where none can be told.
    `gain_basis` in the summary says what it rests on, or why there is none.
    """

    verdict: VerdictName
    """What is said of it."""

    because: str | None
    """The numbers behind the verdict."""

    samples_needed: int | None
    """For a suspected layer: about how many samples would settle it, if they can."""

    reason: str | None
    """Why it could not be pruned."""

    sweep: list[list[float]]
    """Pairs of the network's and the layer's pruning ratio."""

    sweep_intervals: list[list[float]] | None
    """Confidence intervals of the layer's ratios in `sweep`; null with too few batches, and for
    analyses of older versions.
    """

    inputs: list[str] | None
    """The layers that it reads; none for one that reads the network's inputs. Null for analyses
    of older versions.
    """

    joins: list[str] | None
    """The layers whose results join its own before anything reads it, such as by a residual
    addition. Null for analyses of older versions.
    """


class Limit(ApiObject):
    """A limit of an owner, and what is used of it."""

    limit: int
    """How much there may be."""

    used: int | None
    """How much there is; null for rates, as is `left`."""

    left: int | None
    """How much more there may be."""


class Mean(ApiObject):
    """A mean over seeds."""

    value: float
    """The mean."""

    interval: list[float] | None
    """Its 95 % confidence interval (Student's t); null with a single seed."""

    count: int
    """The number of seeds."""


class Model(ApiObject):
    """A trained network; `inspection` has its layers, channel groups, parameters and MACs."""

    id: str
    """Its id, which analyses and paths name."""

    state: UploadState
    """`inspecting` until a worker has inspected it; `expired` when its file is gone."""

    name: str
    """The name given to it, or else that of the file."""

    filename: str
    """The name of the file when it was uploaded first."""

    tags: list[str]
    """Words to list it by."""

    metadata: dict[str, str | bool | int | float]
    """What was added to find it again by, such as a git commit."""

    sha256: str
    """SHA-256 of the file, in hexadecimal digits."""

    size: int
    """Bytes."""

    created_at: datetime
    """When it was uploaded."""

    expires_at: datetime | None
    """When its file is removed, unless work uses it then; null: never. Uploading it again begins
    the time anew.
    """

    inspection: dict[str, Any] | None
    """The result of the inspection; null unless it passed."""

    error: Problem | None
    """Why it was rejected (RFC 9457)."""


class NewKey(ApiObject):
    """A new key. It can't be shown again: only its hash is stored."""

    id: str
    """Its id."""

    owner: str
    """The owner of everything that is uploaded with it."""

    name: str
    """What it is for."""

    scopes: list[Literal["read", "write", "admin"]]
    """What it allows; admin includes read."""

    created_at: datetime
    """When it was made."""

    last_used_at: datetime | None
    """To about a minute; null: never."""

    expires_at: datetime | None
    """Until when it is valid; null: no end."""

    revoked_at: datetime | None
    """When it was revoked; null: it was not."""

    key: str
    """The key itself: send it as a bearer token."""


class NewWebhook(ApiObject):
    """A webhook with its secret."""

    id: str
    """Its id."""

    url: str
    """Where to POST."""

    events: list[WebhookEvent]
    """What to tell of."""

    enabled: bool
    """Whether it is sent anything; an answer with status 410 disables it."""

    created_at: datetime
    """When it was made."""

    secret: str
    """Verifies signatures (Standard Webhooks); keep it."""


class OutOfReach(ApiObject):
    """A module that the edits of a plan can't reach."""

    module: str
    """Its name in the network."""

    reason: str
    """Why no edit reaches it."""


class Owner(ApiObject):
    """What an owner has stored and asked for."""

    owner: str
    """The owner."""

    models: int
    """How many models it has."""

    datasets: int
    """How many datasets it has."""

    jobs: dict[str, dict[str, int]]
    """For each kind of job, how many are in which state."""

    bytes: int
    """The size of its uploads and built networks, each file once."""

    limits: dict[str, Limit]
    """By name: unfinished `analyses` and `trials`, `bytes`, `uploads_per_day`; and for each key
    `requests_per_second` and `streams`.
    """


class Plan(ApiObject):
    name: str
    """Its name, from the request."""

    layers: list[PlannedLayer]
    """New widths and the attributes to edit."""

    parameters: list[int]
    """Before and after."""

    macs: list[int]
    """Before and after."""

    artifact: str | None
    """The name of the built network in `…/artifacts`."""

    evaluation: Evaluation | None
    """Scores, if the network was built."""

    error: str | None
    """Why its network could not be built, if it was asked for."""

    incomplete: list[OutOfReach] | None
    """What the edits do not reach; null for analyses of older versions."""


class PlannedLayer(ApiObject):
    """A layer's new width, and the edits that it needs."""

    name: str
    """Its name in the network."""

    width: int
    """Its output channels."""

    new_width: int
    """What they become."""

    edits: list[Edit]
    """What to edit."""


class Point(ApiObject):
    """A point of a loss curve: the end of an epoch, or of a part of the training."""

    step: int
    """After so many steps."""

    epoch: float
    """After so many epochs."""

    train_loss: float | None
    """Mean since the point before."""

    loss: float | None
    """On the samples that are held out."""

    accuracy: float | None
    """On these samples; null for losses without that."""

    parameters: int
    """Parameters at that time; `expand_prune` has fewer later."""


class Problem(ApiObject):
    """Why work failed, or an upload was rejected: a problem document (RFC 9457), as stored."""

    type: str
    """Stable name of the kind of problem."""

    title: str
    """The kind of problem in words."""

    detail: str
    """What was wrong, and what to do."""


class Progress(ApiObject):
    """How far an analysis is."""

    stage: Stage
    """What is being done."""

    done: int
    """Shards that are done."""

    total: int
    """Shards in all; 0 until the analysis is planned."""

    seconds_left: float | None
    """An estimate; null when there is none."""


class PutBack(ApiObject):
    """A call that differs from the upload's, which is in eval mode."""

    module: str
    """The module that makes it."""

    op: str
    """The operator."""

    what: str
    """What it does in training."""


class Removal(ApiObject):
    """The measured score after a global pruning."""

    loss: float | None
    """Mean loss; null where it is not finite."""

    accuracy: float | None
    """Share of the samples that are right (top-1); null for losses without that."""

    ratio: float
    """The share that was removed."""


class Retention(ApiObject):
    """What holds for an owner, in days; null: for ever."""

    uploads: float | None
    """Models and datasets, since they came last."""

    results: float | None
    """Analyses and trials, since their end."""

    artifacts: float | None
    """Networks that they built, since their end."""


class Root(ApiObject):
    """The paths of this server that need no key, and those that need one."""

    name: str
    """The name of this service."""

    documentation: str
    """A page that describes the API."""

    description: str
    """The description of the API for programs (OpenAPI)."""

    health: list[str]
    """Whether the server runs, and is ready."""

    resources: list[str]
    """The lists of the API; they need an API key."""


class Score(ApiObject):
    """The score of a network on some samples."""

    loss: float | None
    """Mean loss; null where it is not finite."""

    accuracy: float | None
    """Share of the samples that are right (top-1); null for losses without that."""


class Structure(ApiObject):
    group: int
    """The channel group that it is of."""

    channel: int
    """Its index in that group."""

    saliency: float
    """In units of the loss; of the weights for the magnitude methods."""

    first_order: float | None
    """θ_s·g, if the method computes it."""

    second_order: float | None
    """θ_s·(Hθ_struc), with the Hessian or its Gauss–Newton part, if the method computes it."""

    rank: int
    """Place among all structures, the least salient first."""

    worth: float | None
    """How much the loss rises without it once all other structures have adapted. Null for
    methods other than sosp_i, joint and obs.
    """

    members: list[list[str | int]]
    """Pairs of layer and channel."""


class Summary(ApiObject):
    """What an analysis found."""

    loss: float | None
    """Mean loss; null where it is not finite."""

    accuracy: float | None
    """Share of the samples that are right (top-1)."""

    baseline: Baseline | None
    """What an answer that ignores the input gets."""

    doubt: str | None
    """Why every verdict is withheld, if it is."""

    gain_basis: str | None
    """What the layers' expected gains rest on, or why there are none."""

    removals: list[Removal]
    """The measured scores after global prunings."""

    cliff: float | None
    """The largest ratio that keeps half of what the network gains over the baseline."""

    structures: int | None
    """The number of channels that can be cut."""

    samples: int | None
    """The number of samples."""

    pruning_ratio: float | None
    """The global ratio of the request."""

    rule: RuleName | None
    """What verdicts rest on."""

    bottlenecks: list[str]
    """The layers with this verdict."""

    suspected: list[str]
    """The layers with this verdict."""

    redundant: list[str]
    """The layers with this verdict."""

    undecided: list[str]
    """The layers with this verdict."""

    advice: str | None
    """What the plan `advise` rests on, if it was asked for."""

    not_measured: str | None
    """What a follow-up lacks, since it reads no data."""

    built: dict[str, dict[str, Any]] | None
    """How far the outputs of each built network deviate, and why."""


class TrialArtifact(ApiObject):
    """A trained network: a `.pt2` file that can be uploaded as a model."""

    name: str
    """The name of the file."""

    size: int
    """Bytes."""

    sha256: str
    """SHA-256 of the file, in hexadecimal digits."""

    expires_at: datetime | None
    """When it is removed; null: never."""

    url: str
    """The path to download the file from."""


class Trial(ApiObject):
    """A trial. A failed one also comes with status 200: `error` is the problem document."""

    id: str
    """Its id."""

    state: AnalysisState
    """`queued` until its analysis has ended and a worker takes it, and at the end `succeeded`,
    `failed` (also where all its runs failed) or `cancelled`.
    """

    name: str | None
    """What its owner calls it."""

    tags: list[str]
    """Words to list it by."""

    metadata: dict[str, str | bool | int | float]
    """What was added to find it again by, such as a git commit."""

    model_id: str
    """The id of the model."""

    dataset_id: str
    """The id of the dataset."""

    analysis_id: str
    """The id of the analysis whose plans are tried."""

    request: dict[str, Any]
    """The request, with the defaults filled in."""

    progress: TrialProgress
    """How far it is."""

    cancel_requested: bool
    """Whether a cancel was asked for; it ends soon then."""

    summary: TrialSummary | None
    """The result; null until it has succeeded."""

    provenance: dict[str, Any] | None
    """How the result was computed: versions, devices, hashes of the files."""

    error: Problem | None
    """Why it failed (RFC 9457)."""

    created_at: datetime
    """When it was asked for."""

    started_at: datetime | None
    """When a worker took it; null before."""

    finished_at: datetime | None
    """When it ended; null before."""

    expires_at: datetime | None
    """When it is removed; null: never, or not known before it has ended."""


class TrialProgress(ApiObject):
    """How far a trial is."""

    stage: TrialStage
    """What is being done; `analysis`: it waits for the end of its analysis."""

    done: int
    """Runs that have ended."""

    total: int
    """Runs in all; 0 until the trial is planned."""

    steps_done: int
    """Steps of training that are done, over all runs."""

    steps_total: int
    """Steps of all runs; 0 until the trial is planned."""

    seconds_left: float | None
    """An estimate; null when there is none."""


class TrialRun(ApiObject):
    """The training of one variant with one seed."""

    index: int
    """Its index."""

    variant: str
    """The name of the variant."""

    seed: int
    """The seed."""

    state: PartState
    """`queued` between its segments, too: other work may go first."""

    step: int
    """Steps that are done, as of the last checkpoint."""

    segment: int
    """Segments that are done, each with a checkpoint at its end."""

    attempt: int
    """Attempts at the present segment; a crash costs one."""

    curve: list[Point] | None
    """Losses so far; null before the first segment."""

    loss: float | None
    """On the samples that were held out, at the end."""

    accuracy: float | None
    """On these samples; null for losses without that."""

    parameters: int | None
    """Parameters at the end."""

    macs: int | None
    """Multiply-accumulates for one sample, at the end."""

    device: str | None
    """The device that computed the last segment."""

    artifact: str | None
    """The name of the trained network in `…/artifacts`."""

    error: Problem | None
    """Why it failed (RFC 9457)."""

    started_at: datetime | None
    """When a worker took it first."""

    finished_at: datetime | None
    """When it ended."""


class TrialSummary(ApiObject):
    """The result of a trial."""

    variants: list[Variant]
    """The variants, `original` first."""

    left_out: dict[str, str]
    """Why variants were not trained, by name."""

    put_back: list[PutBack]
    """What was put back in train mode."""

    remark: str
    """What can't be put back."""


class UploadSessionDetail(ApiObject):
    """The same, with the numbers of the parts."""

    id: str
    """Its id, which paths name."""

    state: UploadSessionState
    """`open` until it is completed or cancelled."""

    kind: Literal["model", "dataset"]
    """What the file becomes."""

    name: str
    """The name of the model or dataset."""

    filename: str
    """The name of the file."""

    tags: list[str]
    """Words to list it by."""

    metadata: dict[str, str | bool | int | float]
    """What was added to find it again by, such as a git commit."""

    size: int
    """Bytes of the whole file."""

    sha256: str
    """SHA-256 of the whole file, in hexadecimal digits."""

    part_size: int
    """Bytes of each part but the last."""

    parts: int
    """How many parts there are, from 0."""

    received_bytes: int
    """Bytes of the parts that have arrived."""

    transform: dict[str, Any] | None
    """Of a dataset: the preprocessing declared with it."""

    created_at: datetime
    """When it was begun."""

    expires_at: datetime
    """When it is forgotten with all parts; each part that arrives puts that off."""

    upload_id: str | None
    """The model or dataset; null until it is completed."""

    received: list[int]
    """The parts that have arrived and need not be sent."""


class UploadSession(ApiObject):
    """A file that is being sent in parts: part `n` begins at byte `n * part_size`."""

    id: str
    """Its id, which paths name."""

    state: UploadSessionState
    """`open` until it is completed or cancelled."""

    kind: Literal["model", "dataset"]
    """What the file becomes."""

    name: str
    """The name of the model or dataset."""

    filename: str
    """The name of the file."""

    tags: list[str]
    """Words to list it by."""

    metadata: dict[str, str | bool | int | float]
    """What was added to find it again by, such as a git commit."""

    size: int
    """Bytes of the whole file."""

    sha256: str
    """SHA-256 of the whole file, in hexadecimal digits."""

    part_size: int
    """Bytes of each part but the last."""

    parts: int
    """How many parts there are, from 0."""

    received_bytes: int
    """Bytes of the parts that have arrived."""

    transform: dict[str, Any] | None
    """Of a dataset: the preprocessing declared with it."""

    created_at: datetime
    """When it was begun."""

    expires_at: datetime
    """When it is forgotten with all parts; each part that arrives puts that off."""

    upload_id: str | None
    """The model or dataset; null until it is completed."""


class Variant(ApiObject):
    """What the runs of a variant say together; those that failed are left out."""

    name: str
    """Its name."""

    parameters: int | None
    """Parameters at the end of the training."""

    macs: int | None
    """Multiply-accumulates for one sample, at the end."""

    loss: Mean | None
    """On the samples that were held out."""

    accuracy: Mean | None
    """On these samples; null for losses without that."""

    gain: Mean | None
    """How much lower the loss is than that of `original` with the same seed."""

    accuracy_gain: Mean | None
    """How much higher the accuracy is than that of `original` with the same seed."""

    errors: dict[str, str]
    """Why runs failed, by seed."""


class Webhook(ApiObject):
    """A webhook; its secret was shown once."""

    id: str
    """Its id."""

    url: str
    """Where to POST."""

    events: list[WebhookEvent]
    """What to tell of."""

    enabled: bool
    """Whether it is sent anything; an answer with status 410 disables it."""

    created_at: datetime
    """When it was made."""


class Work(ApiObject):
    """The work that a worker does now."""

    task: TaskName
    """The kind of work."""

    job: str | None
    """The id of the model, dataset, analysis or trial; null if it is not yours."""

    shard: int | None
    """The index of the shard or run; null unless it is one of yours."""


class Worker(ApiObject):
    """A worker process; it serves all owners."""

    name: str
    """Its host and process id."""

    host: str
    """The name of the machine that it runs on."""

    queues: list[str]
    """The queues that it takes work from."""

    device: str | None
    """The device that it computes on; null until that is known."""

    sandbox: list[str] | None
    """The layers of the sandbox in which it reads uploads: `user` (an unprivileged one),
    `landlock` (no files but its own, no TCP), `seccomp` (no programs, no sockets); null until
    that is known.
    """

    state: WorkerState
    """`gone`: its heartbeat has stopped. It leaves this list after an hour."""

    work: Work | None
    """What it does now; null unless it is `busy`."""

    version: str
    """Its version of Narrows."""

    torch_version: str
    """Its version of torch."""

    started_at: datetime
    """When it started."""

    seen_at: datetime
    """When its last heartbeat came."""


class Advise(TypedDict):
    """How much the plan `advise` may spend, and how it rounds widths."""

    budget: NotRequired[float]
    """How much may be added, as a share of what the network has."""

    cost: NotRequired[BudgetKind]
    """What is added."""

    multiple: NotRequired[int | None]
    """New widths are multiples of this; null: of 8 from 64 channels on."""


class AnalysisOptions(TypedDict):
    """What may be left out of AnalysisRequest."""

    name: NotRequired[str | None]
    """What you call it."""

    tags: NotRequired[list[str]]
    """Words to list it by, each once."""

    metadata: NotRequired[dict[str, Any]]
    """Anything to find it again by, such as `git_commit` or `run_id`: text, numbers, true and
    false.
    """

    transform: NotRequired[Transform | None]
    """The preprocessing of each sample, in place of the one declared at upload; null: that one."""

    method: NotRequired[MethodName]
    """How structures are ranked: by pairs of structures (sosp_i), by the exact Hessian (sosp_h,
    the default for the loss model), by the predicted change of the loss (joint), by what is
    lost once all other structures have adapted (obs), or by a baseline: first_order, fisher,
    magnitude, magnitude_relative, exact (every structure removed by itself).
    """

    rule: NotRequired[RuleName | None]
    """What verdicts rest on: how much a layer's channels are worth (worth), or how few of them
    the pruning removes, as in the paper (pruning_ratio). Null: worth for the methods that
    measure it, sosp_i, joint and obs, and pruning_ratio for the others.
    """

    gate: NotRequired[GateKind]
    """What removing a channel sets to zero: its values wherever they are read (channel), or the
    weights that compute it, as in the paper (weights).
    """

    loss: NotRequired[LossName]
    """The loss that the network was trained with; model: the program takes x and y, and returns
    its loss.
    """

    curvature: NotRequired[Curvature | None]
    """For sosp_i, joint and obs: one backward pass for a random combination of the outputs
    (sampled, the default), or one for each output (exact).
    """

    blocks: NotRequired[int | None]
    """For sosp_i, joint and obs: in how many steps structures are removed; null: one structure
    in each step, or 100 steps if there are more than 6,000 structures (obs: 20 steps, or 4).
    """

    pruning_ratio: NotRequired[float]
    """The share of all structures, or of what `cost` counts, that is removed."""

    max_samples: NotRequired[int]
    """The largest number of samples that is used."""

    batch_size: NotRequired[int]
    """How many samples are computed at once."""

    seed: NotRequired[int]
    """The seed of the random numbers, such as those that choose the samples."""

    exclude: NotRequired[list[str]]
    """The names of layers whose width stays as it is."""

    cost: NotRequired[CostKind]
    """What `pruning_ratio` is a share of, and what the ranking divides saliency by."""

    plans: NotRequired[list[PlanName | CustomPlan]]
    """The plans (changes of widths) to compute: by name, or with your own factors. `advise`
    needs a method that measures worth: sosp_i, joint or obs.
    """

    advise: NotRequired[Advise | None]
    """The options of the plan `advise`; null: 10 % more parameters."""

    build: NotRequired[list[str]]
    """The plans to build as networks, by name; `pruned` is the network without the removed
    channels.
    """

    init: NotRequired[Init]
    """New channels keep what the network computes (preserve), or start as random ones (fresh)."""

    time_limit_seconds: NotRequired[int | None]
    """The analysis fails if it takes longer, counted from its start."""

    memory_bytes: NotRequired[int | None]
    """How much memory a worker may use for it; a lower limit of the server applies."""


class AnalysisRequest(AnalysisOptions):
    """Which model to analyse on which dataset, and how. Only the first two fields are required."""

    model_id: str
    """The id of one of your models."""

    dataset_id: str
    """The id of one of your datasets."""


class BuildOptions(TypedDict):
    """What may be left out of BuildRequest."""

    init: NotRequired[Init]
    """How new channels begin."""

    pruning_ratio: NotRequired[float | None]
    """The share that is removed; null: that of the analysis."""


class BuildRequest(BuildOptions):
    """A network to build."""

    plan: str | CustomPlan
    """A plan of the analysis, by name; `pruned`, the network without the removed channels; or
    your own factors.
    """


class CustomPlan(TypedDict):
    """Your own widths: factors for layers by name; layers that share their channels follow."""

    name: str
    """The name of the plan."""

    factors: dict[str, Any]
    """The new width of each named layer, as a factor of its width."""


class FineTuneRequest(TypedDict):
    """The second part of `expand_prune`: what comes after pruning back."""

    share: NotRequired[float]
    """Its share of all steps."""

    learning_rate: NotRequired[float | None]
    """Its peak rate; null: that of the recipe."""

    prune_to: NotRequired[BudgetKind]
    """What pruning brings back to the original's."""


class FollowUpRequest(TypedDict):
    """What is to be other than in the analysis; what is left out stays, but nothing is built."""

    name: NotRequired[str | None]
    """What you call it."""

    tags: NotRequired[list[str]]
    """Words to list it by, each once."""

    metadata: NotRequired[dict[str, Any]]
    """Anything to find it again by, such as `git_commit` or `run_id`: text, numbers, true and
    false.
    """

    method: NotRequired[MethodName | None]
    """One that needs the same partial sums: sosp_i, joint and obs answer each other, and so do
    magnitude and magnitude_relative.
    """

    rule: NotRequired[RuleName | None]
    """What verdicts rest on."""

    blocks: NotRequired[int | None]
    """For sosp_i, joint and obs: in how many steps structures go."""

    pruning_ratio: NotRequired[float | None]
    """The share that is removed."""

    cost: NotRequired[CostKind | None]
    """What `pruning_ratio` is a share of, and what the ranking divides saliency by."""

    plans: NotRequired[list[PlanName | CustomPlan] | None]
    """The plans to compute, in place of the analysis'."""

    advise: NotRequired[Advise | None]
    """The options of the plan `advise`."""

    build: NotRequired[list[str]]
    """The plans to build as networks, by name."""

    init: NotRequired[Init | None]
    """How new channels begin."""


class KeyOptions(TypedDict):
    """What may be left out of KeyRequest."""

    name: NotRequired[str]
    """What the key is for."""

    scopes: NotRequired[list[Literal["read", "write", "admin"]]]
    """What it allows; admin includes read."""

    expires_at: NotRequired[datetime | None]
    """Until when it is valid; null: until it is revoked."""


class KeyRequest(KeyOptions):
    """A key to make."""

    owner: str
    """The owner of everything that is uploaded with the key."""


class NamingChange(TypedDict):
    """Changes names, tags and metadata as a JSON merge patch (RFC 7396) does.

    What is left out stays as it is.
    """

    name: NotRequired[str | None]
    """Null takes the name away; an upload then has that of its file."""

    tags: NotRequired[list[str] | None]
    """In place of those there; null: none."""

    metadata: NotRequired[dict[str, Any] | None]
    """Added to those there, in place of those with the same key. A null removes one, and null in
    place of all of them removes all.
    """


class OwnLimits(TypedDict):
    """The limits of one owner that are other than usual; null: as the settings say."""

    analyses: NotRequired[int | None]
    """How many may be queued or running."""

    trials: NotRequired[int | None]
    """How many may be queued or running."""

    bytes: NotRequired[int | None]
    """The size of uploads and built networks."""

    uploads_per_day: NotRequired[int | None]
    """How many uploads in 24 hours."""

    requests_per_second: NotRequired[int | None]
    """How often each of its keys may ask, averaged over 10 seconds."""


class OwnRetention(TypedDict):
    """For how many days the things of one owner are kept; null: as the settings say."""

    uploads: NotRequired[float | None]
    """Models and datasets, since they came last."""

    results: NotRequired[float | None]
    """Analyses and trials, since their end."""

    artifacts: NotRequired[float | None]
    """Networks that they built, since their end."""


class PlanRequest(TypedDict):
    """A plan of one's own, by `factors`; or else the plan `advise`, by a `budget`."""

    name: NotRequired[str | None]
    """The name of a plan with factors; null: custom."""

    factors: NotRequired[dict[str, Any] | None]
    """The new width of each named layer, as a factor of its width."""

    budget: NotRequired[float | None]
    """How much may be added, as a share of what the network has."""

    cost: NotRequired[BudgetKind | None]
    """What a budget adds."""

    multiple: NotRequired[int | None]
    """With a budget, new widths are multiples of this; null: of 8 from 64 channels on."""


class RecipeRequest(TypedDict):
    """How every variant is trained."""

    optimizer: NotRequired[OptimizerName]
    """AdamW, or SGD."""

    learning_rate: NotRequired[float]
    """The peak."""

    momentum: NotRequired[float | None]
    """Of `sgd`; null: 0.9. Not for `adamw`."""

    weight_decay: NotRequired[float]
    """Of all parameters."""

    schedule: NotRequired[ScheduleName]
    """How the rate falls after its warm-up."""

    warmup: NotRequired[float]
    """The share of the steps in which it rises."""

    epochs: NotRequired[int | None]
    """How long; null: `steps`, or 20 epochs."""

    steps: NotRequired[int | None]
    """How long, instead of `epochs`."""

    batch_size: NotRequired[int]
    """Samples in a step."""

    flip: NotRequired[bool]
    """Mirror each input along its last axis, or not, by chance."""

    crop: NotRequired[int]
    """Move it by up to so many pixels."""

    label_smoothing: NotRequired[float]
    """The share of a label that goes to all classes."""

    start: NotRequired[StartName]
    """From new weights (scratch) or from the upload's."""


class RotateRequest(TypedDict):
    """How long the old key stays valid beside the new one."""

    overlap_hours: NotRequired[float]
    """How long the old key stays valid."""


class Transform(TypedDict):
    """The preprocessing of each sample before the network reads it.

    Images are resized and cropped; then it is `(x * scale - mean) / std`.
    """

    scale: NotRequired[float | None]
    """A factor; null: 1/255 for numbers of 8 bits, 1 for others."""

    mean: NotRequired[list[float] | None]
    """Subtracted: one number for all channels, or one for each."""

    std: NotRequired[list[float] | None]
    """Divided by: one number for all channels, or one for each."""

    layout: NotRequired[Literal["nchw", "nhwc"] | None]
    """Order of the dimensions of arrays in the file; default `nchw`."""

    resize: NotRequired[int | list[int] | None]
    """Of images: the shorter side in pixels, or height and width; smoothed, as in torchvision."""

    crop: NotRequired[int | list[int] | None]
    """Of images: the middle is kept, a square, or height and width."""

    interpolation: NotRequired[Literal["bilinear", "bicubic"] | None]
    """How images are resized; default `bilinear`."""

    color: NotRequired[Literal["rgb", "gray"] | None]
    """What image files become; null: `gray` if all are, else `rgb`."""

    length: NotRequired[int | None]
    """The length of lists, such as of tokens: longer ones are cut, shorter ones padded."""

    pad: NotRequired[float | dict[str, float] | None]
    """What lists are padded with: one number, or one for each input by name. Default: 0; -100,
    which losses ignore, for targets.
    """

    inputs: NotRequired[list[str] | None]
    """The names of the arrays that it is for. By default those are a single input, and of
    several all that are images, `[samples, channels, height, width]`. Padding is for all
    lists.
    """


class TrialRequest(TypedDict):
    """What to train, and how: a model with a dataset, or the plans of an analysis."""

    name: NotRequired[str | None]
    """What you call it."""

    tags: NotRequired[list[str]]
    """Words to list it by, each once."""

    metadata: NotRequired[dict[str, Any]]
    """Anything to find it again by, such as `git_commit` or `run_id`: text, numbers, true and
    false.
    """

    model_id: NotRequired[str | None]
    """The id of one of your models; leave it out with `analysis_id`."""

    dataset_id: NotRequired[str | None]
    """The id of one of your datasets; leave it out with `analysis_id`."""

    analysis_id: NotRequired[str | None]
    """The id of one of your analyses, whose plans are tried. Without it, an analysis of the
    model on the dataset is made first.
    """

    transform: NotRequired[Transform | None]
    """The preprocessing of each sample, in place of the one declared at upload; leave it out
    with `analysis_id`.
    """

    plans: NotRequired[list[str | CustomPlan] | None]
    """The plans to try: by name, or with your own factors. Of an analysis, those that it has, by
    name. Null: `double` and `advise`, or all plans of the analysis.
    """

    advise: NotRequired[Advise | None]
    """The options of the plan `advise`; null: 10 % more parameters."""

    variants: NotRequired[list[VariantKind]]
    """What is trained for each plan, beside the original: its widths (plan), all layers wider by
    one factor at no more parameters (uniform), its widths pruned back to the original's size
    and trained on (expand_prune).
    """

    inits: NotRequired[list[Init]]
    """How new channels begin where training starts from the upload's weights: copies that keep
    the function (preserve, the default), or random ones (fresh).
    """

    recipe: NotRequired[RecipeRequest]
    """How to train."""

    fine_tune: NotRequired[FineTuneRequest]
    """How `expand_prune` goes on after pruning."""

    seeds: NotRequired[list[int]]
    """Every variant is trained once with each seed."""

    holdout: NotRequired[float]
    """The share of the samples that each seed holds out, to measure on."""

    loss: NotRequired[LossName | None]
    """What is minimized, as in an analysis; null: that of the analysis, or cross_entropy."""

    max_samples: NotRequired[int | None]
    """How many samples each seed draws; null: all."""

    threads: NotRequired[int]
    """How many threads a training uses; the bits of a sum depend on it."""

    time_limit_seconds: NotRequired[int | None]
    """Runs that have not ended by then fail, counted from when the trial is planned."""

    memory_bytes: NotRequired[int | None]
    """How much memory a worker may use for it; a lower limit of the server applies."""


class UploadChange(TypedDict):
    """What can be changed of an upload; what is left out stays as it is."""

    name: NotRequired[str | None]
    """Null takes the name away; an upload then has that of its file."""

    tags: NotRequired[list[str] | None]
    """In place of those there; null: none."""

    metadata: NotRequired[dict[str, Any] | None]
    """Added to those there, in place of those with the same key. A null removes one, and null in
    place of all of them removes all.
    """

    expires_at: NotRequired[datetime | None]
    """When it expires; null: as the server's retention says."""


class UploadCompletion(TypedDict):
    """What is said of the model or dataset when its file is whole."""

    expires_at: NotRequired[datetime | None]
    """When it expires; null: as the server's retention says."""


class UploadSessionOptions(TypedDict):
    """What may be left out of UploadSessionRequest."""

    name: NotRequired[str | None]
    """What you call it."""

    tags: NotRequired[list[str]]
    """Words to list it by, each once."""

    metadata: NotRequired[dict[str, Any]]
    """Anything to find it again by, such as `git_commit` or `run_id`: text, numbers, true and
    false.
    """

    filename: NotRequired[str | None]
    """The name of the file. One of both names is needed."""

    part_size: NotRequired[int | None]
    """Bytes of each part but the last; default: what the server finds suitable."""

    transform: NotRequired[Transform | None]
    """Of a dataset: the preprocessing of each sample."""


class UploadSessionRequest(UploadSessionOptions):
    """A file that will be sent in parts."""

    kind: Literal["model", "dataset"]
    """What the file becomes."""

    size: int
    """Bytes of the whole file."""

    sha256: str
    """SHA-256 of the whole file, in hexadecimal digits."""


class WebhookChange(TypedDict):
    """What to change; what is left out stays."""

    url: NotRequired[str | None]
    """Where to POST."""

    events: NotRequired[list[WebhookEvent] | None]
    """What to tell of."""

    enabled: NotRequired[bool | None]
    """Whether to send anything."""


class WebhookOptions(TypedDict):
    """What may be left out of WebhookRequest."""

    events: NotRequired[list[WebhookEvent]]
    """What to tell of; default: everything."""


class WebhookRequest(WebhookOptions):
    """Where to send messages, and about what."""

    url: str
    """Where to POST; it begins with https://."""


class ModelUpload(TypedDict):
    """What an upload says beside the file."""

    name: NotRequired[str]
    """Default: the file's name."""

    tags: NotRequired[list[str]]
    """JSON: words to list it by, such as `["nightly"]`."""

    metadata: NotRequired[dict[str, Any]]
    """JSON: anything to find it by, such as a git commit."""

    expires_at: NotRequired[datetime]
    """When it expires. Default: as the server's retention says."""


class DatasetUpload(TypedDict):
    """What an upload says beside the file."""

    name: NotRequired[str]
    """Default: the file's name."""

    tags: NotRequired[list[str]]
    """JSON: words to list it by, such as `["nightly"]`."""

    metadata: NotRequired[dict[str, Any]]
    """JSON: anything to find it by, such as a git commit."""

    expires_at: NotRequired[datetime]
    """When it expires. Default: as the server's retention says."""

    transform: NotRequired[Transform]
    """JSON: the preprocessing of samples; an analysis may declare another."""
