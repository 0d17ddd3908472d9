from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from narrows.vocabulary import TaskName, WorkerState


class WorkOut(BaseModel):
    """A piece of work in hand."""

    task: TaskName
    job: str | None = Field(
        description="The model, dataset or analysis; null where it is not yours",
        examples=["ana_9d5e4f60718293040b3fa1c0"],
    )
    shard: int | None = Field(
        description="Which part of the analysis; null but for shards of yours"
    )


class WorkerOut(BaseModel):
    """A worker process: it computes, and has no owner."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["gpu-1:4711"])
    host: str
    queues: list[str] = Field(description="What it takes work from", examples=[["analyze"]])
    device: str | None = Field(
        description="What it computes on; null until that is known", examples=["NVIDIA H100"]
    )
    state: WorkerState = Field(
        description="`gone`: it has fallen silent. It leaves this list after an hour"
    )
    work: WorkOut | None = Field(description="What it is busy with")
    version: str
    torch_version: str
    started_at: AwareDatetime
    seen_at: AwareDatetime
