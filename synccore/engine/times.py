"""*Times* of a record: what follows from when each app changed it, when the two agreed, and how far the apps were read.

Stamps of one app are compared with stamps of the same app only: clocks of two apps never meet here (ENGINE §5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from synccore.shapes import SIDES, Side


@dataclass(frozen=True, slots=True)
class SideTimes:
    """One side, in its app's own clock.

    ``changed``: as the app says now, or as last seen. ``agreed``: the stamp the record had when both last agreed (None: it
    was seen in another state since, or never agreed). ``seen``: the stamp at which it was last seen. ``read_to``: the app
    was read up to here; None where it never was or keeps no stamps.
    """

    changed: datetime | None = None
    agreed: datetime | None = None
    seen: datetime | None = None
    read_to: datetime | None = None
    there: bool = True


def follows(times: Mapping[Side, SideTimes], *, live: bool) -> list[tuple[str, Side | None]]:
    """What follows, as codes per side.

    ``no_stamp``: its app does not tell; ``unchanged`` since the agreement (no side: in both); ``held``: changed since
    and seen; ``unread``: changed after what was read, the next run sees it; ``missed``: changed below what was read, the
    sweep finds it. ``as_seen``: the apps were not asked, so later changes are not known.
    """
    found: list[tuple[str, Side | None]] = []
    for side in SIDES:
        at = times.get(side, SideTimes(there=False))
        if not at.there:
            continue
        if at.changed is None:
            found.append(("no_stamp", side))
        elif at.agreed is not None and at.changed <= at.agreed:
            found.append(("unchanged", side))
        elif at.seen is not None and at.changed <= at.seen:
            found.append(("held", side))
        elif at.read_to is None or at.changed > at.read_to:
            found.append(("unread", side))
        else:
            found.append(("missed", side))
    if len(found) == len(SIDES) and all(code == "unchanged" for code, _side in found):
        found = [("unchanged", None)]
    if not live:
        found.append(("as_seen", None))
    return found
