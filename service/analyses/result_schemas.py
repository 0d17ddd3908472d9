"""The responses about the results of analyses."""

from pydantic import BaseModel, ConfigDict, Field, computed_field

from narrows.vocabulary import VerdictName
from service.analyses.scores import ScoreOut
from service.analyses.stored import PlannedLayer
from service.jobs.schemas import JobArtifactOut


class _Result(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class GainOut(_Result):
    gain: float = Field(description="The expected fall of the held-out loss")
    interval: tuple[float, float] = Field(description="Its prediction interval, at 95 %")


class ExpectedGain(_Result):
    """What a layer gains per percent, on average over a widening by a fifth to a half."""

    parameters: GainOut | None = Field(
        description="For each percent of the network's parameters that it is widened by"
    )
    macs: GainOut | None = Field(
        description="For each percent of the network's MACs that it is widened by"
    )


class LayerOut(_Result):
    name: str = Field(description="The module's own name in the network", examples=["features.3"])
    op: str = Field(description="The operator that computes it", examples=["conv2d"])
    group: int | None = Field(description="Channel group: its layers are pruned together")
    width: int = Field(description="Output channels")
    parameters: int = Field(description="Its numbers of weights and biases")
    macs: int = Field(description="Multiply-accumulates for one sample")
    pruning_ratio: float | None = Field(description="Share of its structures that is removed")
    interval: tuple[float, float] | None = Field(description="Confidence interval of that share")
    p_value: float | None = Field(
        description="Probability of so low a share for channels drawn at random, adjusted for "
        "the number of layers"
    )
    score: float | None = Field(
        description="Mean rank of its structures among all: 0 if all are removed first, 1 if all "
        "are removed last"
    )
    score_interval: tuple[float, float] | None = Field(
        description="Confidence interval of the score"
    )
    worth: float | None = Field(
        description="How much the loss rises without one of its channels once all other channels "
        "have adapted: the upper quartile of its structures' worth. Null for methods other than "
        "sosp_i, joint and obs"
    )
    worth_interval: tuple[float, float] | None = Field(
        description="Confidence interval of the worth, extended by how far it would grow with "
        "more samples"
    )
    worth_ratio: float | None = Field(
        description="Its worth over that of the median layer: a channel here is worth so many "
        "typical channels",
        examples=[3.6],
    )
    promise: float | None = Field(
        description="What one more channel of it promises, over what it promises in comparable "
        "layers: the rule worth names a layer from 3 on. Null where there are none, and for "
        "methods that do not measure worth",
        examples=[5.1],
    )
    promise_interval: tuple[float, float] | None = Field(
        description="Confidence interval of the promise"
    )
    widen_rank: int | None = Field(
        description="Its place in `widen here first`: 1 for the layer where more parameters "
        "promise most; layers that share it are equal, or share their channels. Null for methods "
        "that do not measure worth, and where every verdict is withheld",
        examples=[1],
    )
    expected_gain: ExpectedGain | None = Field(
        description="What widening it gains, by a calibration on small networks; null where none "
        "can be told. `gain_basis` in the summary says what it rests on, or why there is none"
    )
    verdict: VerdictName = Field(description="What is said of it", examples=["bottleneck"])
    because: str | None = Field(
        description="The numbers behind the verdict",
        examples=[
            "a channel here is worth 3.6 typical channels; one more promises 5.1 times as much as "
            "in comparable layers, 95 % interval 4.2 to 6.3; the network has loss 0.21, accuracy "
            "93.4%"
        ],
    )
    samples_needed: int | None = Field(
        description="For a suspected layer: about how many samples would settle it, if they can"
    )
    reason: str | None = Field(description="Why it could not be pruned")
    sweep: list[tuple[float, float]] = Field(
        description="Pairs of the network's and the layer's pruning ratio"
    )
    sweep_intervals: list[tuple[float, float]] | None = Field(
        description="Confidence intervals of the layer's ratios in `sweep`; null with too few "
        "batches, and for analyses of older versions"
    )
    inputs: list[str] | None = Field(
        description="The layers that it reads; none for one that reads the network's inputs. Null "
        "for analyses of older versions"
    )
    joins: list[str] | None = Field(
        description="The layers whose results join its own before anything reads it, such as by "
        "a residual addition. Null for analyses of older versions"
    )


class StructureOut(_Result):
    group: int = Field(description="The channel group that it is of")
    channel: int = Field(description="Its index in that group")
    saliency: float = Field(
        description="In units of the loss; of the weights for the magnitude methods"
    )
    first_order: float | None = Field(description="θ_s·g, if the method computes it")
    second_order: float | None = Field(
        description="θ_s·(Hθ_struc), with the Hessian or its Gauss–Newton part, if the method "
        "computes it"
    )
    rank: int = Field(description="Place among all structures, the least salient first")
    worth: float | None = Field(
        description="How much the loss rises without it once all other structures have adapted. "
        "Null for methods other than sosp_i, joint and obs"
    )
    members: list[tuple[str, int]] = Field(
        description="Pairs of layer and channel", examples=[[["conv1", 0]]]
    )


class EvaluationOut(_Result):
    """The scores before and after a change, on the same samples of the analysis."""

    before: ScoreOut = Field(description="Of the network that was analysed")
    after: ScoreOut = Field(description="Of the network that was built")
    remark: str | None = Field(
        description="A warning where less than half of what the network had learned is left"
    )


class OutOfReach(_Result):
    """A module that the edits of a plan can't reach."""

    module: str = Field(description="Its name in the network", examples=["aux.head"])
    reason: str = Field(description="Why no edit reaches it")


class PlanOut(_Result):
    name: str = Field(description="Its name, from the request", examples=["double"])
    layers: list[PlannedLayer] = Field(description="New widths and the attributes to edit")
    parameters: list[int] = Field(description="Before and after")
    macs: list[int] = Field(description="Before and after")
    artifact: str | None = Field(description="The name of the built network in `…/artifacts`")
    evaluation: EvaluationOut | None = Field(description="Scores, if the network was built")
    error: str | None = Field(description="Why its network could not be built, if it was asked for")
    incomplete: list[OutOfReach] | None = Field(
        description="What the edits do not reach; null for analyses of older versions"
    )


class ArtifactOut(JobArtifactOut):
    """A built network: a `.pt2` file that can be uploaded as a model."""

    analysis_id: str = Field(exclude=True)
    name: str = Field(description="The name of the file", examples=["double.pt2"])

    @computed_field  # type: ignore[prop-decorator]  # pydantic documents this order
    @property
    def url(self) -> str:
        """The path to download the file from."""
        return f"/v1/analyses/{self.analysis_id}/artifacts/{self.name}"
