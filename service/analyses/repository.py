"""The SQL of reports, beside that of all jobs."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.tables import Layer, Structure


def saliencies(session: Session, analysis_id: str) -> dict[str, list[float]]:
    """Return the saliencies of each layer's structures, by its name, the largest first.

    The structures of a group belong to the same layers, so the members of one say which they are.
    """
    of = Structure.analysis_id == analysis_id
    first = select(Structure.group, Structure.members).where(of, Structure.channel == 0)
    layers = {group: {name for name, _ in members} for group, members in session.execute(first)}
    found: dict[str, list[float]] = {}
    for group, saliency in session.execute(
        select(Structure.group, Structure.saliency).where(of).order_by(Structure.saliency.desc())
    ):
        for name in layers.get(group, ()):
            found.setdefault(name, []).append(saliency)
    return found


def layer_names(session: Session, analysis_id: str) -> Sequence[str]:
    """Return the names of the layers in the network's order."""
    of = Layer.analysis_id == analysis_id
    return session.scalars(select(Layer.name).where(of).order_by(Layer.index)).all()


def layer_at(session: Session, analysis_id: str, index: int) -> Layer | None:
    """Return a layer by its place in the network."""
    return session.get(Layer, (analysis_id, index))


def structures_of(session: Session, layer: Layer) -> Sequence[Structure]:
    """Return the structures of a layer, the last to be removed first."""
    query = select(Structure).where(
        Structure.analysis_id == layer.analysis_id, Structure.group == layer.group
    )
    rows = session.scalars(query.order_by(Structure.rank.desc()))
    return [row for row in rows if any(name == layer.name for name, _ in row.members)]
