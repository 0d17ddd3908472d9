from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from narrows.vocabulary import TaskName, WorkerState


class WorkOut(BaseModel):
    """The work that a worker does now."""

    task: TaskName = Field(description="The kind of work")
    job: str | None = Field(
        description="The id of the model, dataset, analysis or trial; null if it is not yours",
        examples=["ana_9d5e4f60718293040b3fa1c0"],
    )
    shard: int | None = Field(
        description="The index of the shard or run; null unless it is one of yours"
    )


class WorkerOut(BaseModel):
    """A worker process; it serves all owners."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="Its host and process id", examples=["gpu-1:4711"])
    host: str = Field(description="The name of the machine that it runs on")
    queues: list[str] = Field(
        description="The queues that it takes work from", examples=[["analyze"]]
    )
    device: str | None = Field(
        description="The device that it computes on; null until that is known",
        examples=["NVIDIA H100"],
    )
    sandbox: list[str] | None = Field(
        description="The layers of the sandbox in which it reads uploads: `user` (an unprivileged "
        "one), `landlock` (no files but its own, no TCP), `seccomp` (no programs, no sockets); "
        "null until that is known",
        examples=[["user", "landlock", "seccomp"]],
    )
    state: WorkerState = Field(
        description="`gone`: its heartbeat has stopped. It leaves this list after an hour"
    )
    work: WorkOut | None = Field(description="What it does now; null unless it is `busy`")
    version: str = Field(description="Its version of Narrows")
    torch_version: str = Field(description="Its version of torch")
    started_at: AwareDatetime = Field(description="When it started")
    seen_at: AwareDatetime = Field(description="When its last heartbeat came")
