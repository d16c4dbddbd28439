"""Where a run that waits stands in the queue."""

from __future__ import annotations

from dataclasses import dataclass

from core.runs import scheduler
from core.store.record import ACTIVE, Run
from core.store.store import Store


@dataclass(frozen=True)
class Place:
    """Where a waiting run stands. ahead: runs that start before it; holders: runs that use what it waits for;
    others: how many of those are not to be seen
    """

    ahead: int
    holders: tuple[Run, ...]
    others: int = 0


def place_in_queue(store: Store, run: Run, *, one_at_a_time: bool = False) -> Place:
    """one_at_a_time: whether runs of all kinds wait for one another, as in a demo"""
    lane = scheduler.wants(run.spec, run.kind)
    there = store.queue()
    same = [r for r in there if one_at_a_time or scheduler.wants(r.spec, r.kind) == lane]
    ahead = [r for r in same if r.status == "queued" and r.created < run.created]
    holds = [r for r in there if r.status in ACTIVE and (one_at_a_time or (r.resource or "").split(":")[0] == lane)]
    holders = tuple(r for r in holds if store.sees(r))
    return Place(len(ahead), holders, len(holds) - len(holders))
