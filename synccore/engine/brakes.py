"""Brakes: how much one run may delete or create before a person is asked (ENGINE §4)."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from synccore.failures import Stopped
from synccore.shapes import Side


@dataclass(frozen=True, slots=True)
class Brakes:
    """The limits of a mapping: the larger of a number of records and a share of its couplings."""

    deletions_min: int = 20
    deletions_share: float = 0.05
    creations_min: int = 200
    creations_share: float = 0.10

    def deletions_limit(self, couplings: int) -> int:
        return max(self.deletions_min, floor(self.deletions_share * couplings))


DEFAULT = Brakes()


def deletions_stop(
    n: int, couplings: int, complete_scan_empty: Side | None = None, *, brakes: Brakes = DEFAULT
) -> Stopped | None:
    """Why the deletions a run has found must not be carried out; None where they may.

    Args:
        n: deletions found by the run, whatever the policy for them.
        couplings: living couplings of the mapping.
        complete_scan_empty: the side whose complete scan returned nothing.

    Gives ``side_empty {side, couplings}`` or ``too_many_deletions {count, limit, couplings}``.
    """
    if complete_scan_empty is not None and couplings > 0:
        return Stopped("side_empty", {"side": complete_scan_empty.value, "couplings": couplings})
    limit = brakes.deletions_limit(couplings)
    if n > limit:
        return Stopped("too_many_deletions", {"count": n, "limit": limit, "couplings": couplings})
    return None


def creations_limit(couplings: int, destination_has_records: bool, *, brakes: Brakes = DEFAULT) -> int | None:
    """How many records a run may create in a side; None for any number.

    Nothing where the side already holds records in the filter while nothing is coupled yet: they are probably
    the same.
    """
    if not destination_has_records:
        return None
    if couplings == 0:
        return 0
    return max(brakes.creations_min, floor(brakes.creations_share * couplings))


def creations_stop(n: int, couplings: int, limit: int | None) -> Stopped | None:
    """``too_many_creations {count, limit, couplings}`` where ``n`` records were to be created and ``limit``
    may be."""
    if limit is None or n <= limit:
        return None
    return Stopped("too_many_creations", {"count": n, "limit": limit, "couplings": couplings})
