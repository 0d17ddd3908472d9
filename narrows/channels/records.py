"""What the rules record in the graph of channels beside couplings and pins."""

from dataclasses import dataclass

from narrows.channels.labels import Labels
from narrows.graph.node import Ref


@dataclass(frozen=True)
class Producer:
    """A call of a layer; its weight has an index for each output channel along `channel_dim`.

    `weight` and `bias` name tensors, or refer to values where the program computes them. A computed
    weight has its own `channel_dim`. `rows` labels the channels of the call's result.
    """

    node: int
    op: str
    weight: str | Ref
    channel_dim: int
    bias: str | Ref | None
    rows: Labels


@dataclass(frozen=True)
class Meeting:
    """Labels along some of the dimensions of joint labels, such as a rotation of all heads.

    They can be pruned only if the joint labels are cut along the same dimension in the end.
    """

    joint: Labels
    part: Labels
    why: str


@dataclass(frozen=True)
class Grouping:
    """A call that takes channels in equal groups: a grouped convolution, or a group norm.

    `sides` label the channels that it reads and those that it makes, once where they are the same.
    `columns` label the input channels of a convolution's weight, those of one group. Either whole
    groups are cut or the same positions in all of them, which is known in the end.
    """

    sides: tuple[Labels, ...]
    groups: int
    columns: Labels | None
    why: str


@dataclass(frozen=True)
class Statistic:
    """A call that computes a mean, a variance or a norm over `channels` [width].

    They can be pruned only if it is the statistic of a norm, which is known in the end.
    """

    node: int
    channels: Labels


@dataclass(frozen=True)
class Boundary:
    """Places along a dimension of labels where a piece ends: of a slice, a join, or a group.

    Neighbours of one structure are copied together, as a block. A block that a boundary parts would
    be another one on each side, so its structure can't be copied. `places` are the indices at which
    the next piece begins; 0 stands for a whole that is repeated, so that its end meets its
    beginning. Of joint labels, only those that are cut along `dim` in the end are meant.
    """

    labels: Labels
    dim: int
    places: tuple[int, ...]
    why: str
