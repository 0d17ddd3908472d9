"""Claims the piece of work that is next: by owner, then by kind, then by age.

See docs/architecture.md, "Whose work is next".
"""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select, update

from service.database.dialect import insert
from service.database.shares import Queue, Share
from worker.runtime import leases, spare_worker, waiting_work
from worker.runtime.fair_share import Account, next_owner
from worker.runtime.leases import Claim, Work
from worker.runtime.work.table import PRECEDENCE
from worker.runtime.work.train import TRAIN


@dataclass(frozen=True)
class Turn:
    """A claim by fairness; `charged` are the seconds that its owner paid in advance."""

    claim: Claim
    owner: str
    charged: float


def claim_next(connection: Connection, queue: str, *, holder: str, seconds: float) -> Turn | None:
    """Claim the next piece of a queue for `seconds`; return None if there is none.

    Workers claim from a queue one after another, so each sees what the others' owners have had.
    """
    virtual_time = _lock(connection, queue)
    waiting = waiting_work.owners(connection, queue)
    for owner in spare_worker.owners_to_pass_over(connection, queue, waiting):
        del waiting[owner]
    accounts = _accounts(connection, queue, waiting)
    while waiting:
        owner = next_owner({name: accounts[name] for name in waiting}, virtual_time)
        account, tasks = accounts[owner], waiting.pop(owner)
        for works in _in_order(account, tasks):
            piece = waiting_work.first(connection, works, owner)
            claim = piece and leases.claim(connection, *piece, holder=holder, seconds=seconds)
            if claim:
                turn = Turn(claim, owner, account.cost(claim.work.task))
                training = TRAIN.task if TRAIN.task in tasks else None
                now = account.charge(virtual_time, claim.work.task, training=training)
                _write(connection, queue, owner, account)
                moved = update(Queue).where(Queue.name == queue)
                connection.execute(moved.values(virtual_time=now))
                return turn
    return None


def settle(connection: Connection, turn: Turn, seconds: float) -> None:
    """Charge what a piece has really taken."""
    queue, task = turn.claim.work.queue, turn.claim.work.task
    _lock(connection, queue)
    account = _accounts(connection, queue, [turn.owner])[turn.owner]
    account.settle(task, turn.charged, seconds)
    _write(connection, queue, turn.owner, account)


def _in_order(account: Account, tasks: Collection[str]) -> Iterator[list[Work]]:
    """Yield kinds of work of an owner, those first that go first."""
    kinds = [[work for work in works if work.task in tasks] for works in PRECEDENCE]
    if account.is_due(TRAIN.task):
        kinds.sort(key=lambda works: TRAIN not in works)
    return filter(None, kinds)


def _lock(connection: Connection, queue: str) -> float:
    """Lock a queue until the transaction ends; return its virtual time."""
    query = select(Queue.virtual_time).where(Queue.name == queue).with_for_update()
    if (virtual_time := connection.scalar(query)) is None:
        connection.execute(insert(connection, Queue).values(name=queue).on_conflict_do_nothing())
        virtual_time = connection.scalar(query)
    return virtual_time or 0.0


def _accounts(connection: Connection, queue: str, owners: Collection[str]) -> dict[str, Account]:
    """Return the accounts of these owners; new ones have had nothing."""
    columns = Share.owner, Share.finish, Share.owed, Share.seconds
    query = select(*columns).where(Share.queue == queue, Share.owner.in_(owners))
    known = {owner: Account(*values) for owner, *values in connection.execute(query)}
    return {owner: known.get(owner) or Account() for owner in owners}


def _write(connection: Connection, queue: str, owner: str, account: Account) -> None:
    values = asdict(account)
    row = insert(connection, Share).values(queue=queue, owner=owner, **values)
    connection.execute(
        row.on_conflict_do_update(index_elements=[Share.queue, Share.owner], set_=values)
    )
