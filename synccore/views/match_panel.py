"""A record of a look beside its list: both records field by field, the group of criteria that matched, and the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from synccore.models import MatchChoice, MatchRecord, SynchJob
from synccore.services.match_choices import NONE, SHOWN, UNDECIDED, candidates, choice_about, is_free
from synccore.shapes import Side
from synccore.tables import State, person_name

from .match_rows import Lines, MetRow, Outcome, field_name, fields_of, groups_of, value_of

#: So many candidates have a key of their own.
_KEYS = 9


@dataclass(frozen=True)
class Compared:
    """One field of both records. ``mark``: what it says about the two; None where there is nothing to say."""

    name: str
    left: str
    right: str
    mark: State | None = None


@dataclass(frozen=True)
class Option:
    """A candidate as one chooses it, or one of the answers that name none."""

    value: str
    title: str
    more: str
    chosen: bool
    free: bool = True
    fields: Sequence[Compared] = ()
    key: str = ""


@dataclass(frozen=True)
class Group:
    """One alternative of the criteria and what it did for this record."""

    words: str
    result: State | None


def context(row: MetRow, look: SynchJob, apps: Mapping[str, str], *, may_choose: bool) -> dict[str, Any]:
    """What ``synccore/match_panel.html`` shows of a row.

    Args:
        apps: as ``tables.app_names`` gives them.
        may_choose: no run is under way that could carry out something else than what is chosen now.
    """
    lines, groups = fields_of(look, apps), groups_of(look, apps)
    there = candidates([row.row]).get(row.pk, []) if row.is_open else []
    choice = choice_about(row.row)
    other = row.counterpart
    if row.is_open and other is not None and all(each.record_id != other.record_id for each in there):
        # Met by a later group than the first that found any, or chosen under other criteria.
        there = [other, *there]
    place = row.row.place if row.row.outcome != Outcome.CHOSEN else None
    options = _options(row, there, lines, groups, choice) if there and may_choose else []
    # The candidates say field by field what was chosen.
    among = bool(options) and row.row.outcome == Outcome.CHOSEN
    return {
        "row": row,
        "look": look,
        "fields": compared(lines, _decided(groups, place), row.row, other) if other and not among else [],
        "alone": _alone(lines, row.row) if other is None and not options else [],
        "options": options,
        "cut": len(there) >= SHOWN,
        "groups": [_group(row.row, each, at, alone=not there) for at, each in enumerate(groups)],
        "choice": choice,
        "chosen_by": person_name(choice.chosen_by) if choice is not None else "",
        "run_words": _run_words(row) if row.is_open else "",
    }


def compared(lines: Lines, decided: set[str], row: MatchRecord, other: MatchRecord) -> list[Compared]:
    """Every known field of two records, the left app's first. ``decided``: the fields by which the two matched."""
    left, right = (row, other) if row.side == Side.LEFT.value else (other, row)
    found = []
    for line in lines:
        a, b = value_of(line, left), value_of(line, right)
        if line["rule"] in decided:
            mark: State | None = State(_("matches"), "check", "good")
        elif line.get("sensitive") or not (a or b):
            mark = None
        else:
            mark = (
                State(_("the same"), "check", "closed")
                if a == b
                else State(_("differs"), "conflict", "waits")
            )
        found.append(Compared(field_name(line), a, b, mark))
    return found


def _alone(lines: Lines, row: MatchRecord) -> list[tuple[str, str]]:
    return [(str(line[row.side]), value_of(line, row)) for line in lines]


def _decided(groups: Sequence[Lines], place: int | None) -> set[str]:
    return {line["rule"] for line in groups[place]} if place is not None and place < len(groups) else set()


def _group(row: MatchRecord, lines: Lines, place: int, *, alone: bool) -> Group:
    """``alone``: the record has no candidates."""
    words = f" {_('and')} ".join(field_name(line) for line in lines)
    if place >= len(row.keys) or row.keys[place] is None:
        return Group(words, State(_("a value is missing here, which matches nothing"), "missing", "closed"))
    if row.outcome == Outcome.NONE and alone:
        return Group(words, State(_("found nothing"), "x", "closed"))
    if row.place != place or row.outcome == Outcome.CHOSEN:
        return Group(words, None)
    if row.outcome in (Outcome.SEVERAL, Outcome.TAKEN):
        return Group(words, State(_("found these"), "search", "waits"))
    return Group(words, State(_("made the match"), "check", "good"))


def _run_words(row: MetRow) -> str:
    """What a run does with the record; "" where what stands in the place of a counterpart says it."""
    if row.row.outcome in MatchRecord.PAIRED:
        return _("A run couples the two.")
    return "" if row.is_created else _("A run leaves it alone.")


# -- whom it could go with ---------------------------------------------------------------------------------------------


def _options(
    row: MetRow,
    there: Sequence[MatchRecord],
    lines: Lines,
    groups: Sequence[Lines],
    choice: MatchChoice | None,
) -> list[Option]:
    """The candidates, then the answers that name none of them. The only match of a record needs no choice to be it, and
    stands field by field above the question."""
    record = row.row
    one = record.other_id if record.outcome == Outcome.ONE else ""
    declined = choice is not None and not choice.other_id
    chosen = record.other_id if record.outcome == Outcome.CHOSEN else NONE if declined else UNDECIDED
    found = []
    for n, each in enumerate(there, start=1):
        value = UNDECIDED if each.record_id == one else each.record_id
        place = next(
            (at for at, (a, b) in enumerate(zip(record.keys, each.keys, strict=False)) if a and a == b), None
        )
        found.append(
            Option(
                value,
                each.title,
                _about(each, record),
                chosen == value,
                is_free(each, record),
                () if value == UNDECIDED else compared(lines, _decided(groups, place), record, each),
                str(n) if n <= _KEYS else "",
            )
        )
    found.append(Option(NONE, _("None of these"), "", chosen == NONE, key="0"))
    if not one:
        found.append(Option(UNDECIDED, _("Decide later"), "", chosen == UNDECIDED))
    return found


def _about(other: MatchRecord, record: MatchRecord) -> str:
    """Why it cannot be chosen; "" where it can."""
    if other.state != MatchRecord.State.FREE:
        return str(other.get_state_display())
    return "" if is_free(other, record) else _("goes with another record")
