"""A record of a look as people read it: who it is, by what it matched, with whom it goes, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from synccore.models import Coupling, MatchRecord, Problem, SynchJob
from synccore.shapes import SIDES, Side
from synccore.tables import State

from .addresses import record_url
from .sentences import field_word, item_note

Lines = Sequence[Mapping[str, Any]]
Outcome = MatchRecord.Outcome
#: In the order of the page: icon, tone.
LOOKS = {
    Outcome.ONE: ("check", "good"),
    Outcome.CHOSEN: ("person", "good"),
    Outcome.SEVERAL: ("question", "person"),
    Outcome.TAKEN: ("link", "waits"),
    Outcome.NONE: ("x", "closed"),
    Outcome.COUPLED: ("link", "good"),
    Outcome.CREATED: ("check", "good"),
}
#: Outcomes of pairs: the two stand in a list once.
OF_PAIRS = (*MatchRecord.PAIRED, Outcome.COUPLED)
#: Outcomes that a person can still change.
OPEN = (Outcome.ONE, Outcome.CHOSEN, Outcome.SEVERAL, Outcome.TAKEN, Outcome.NONE)
HIDDEN = "•••"
#: Records that no criteria were asked about: tab of the list → what memory knew of them.
NOT_ASKED = {
    "already": (MatchRecord.State.COUPLED,),
    "set_aside": (MatchRecord.State.REMOVED, MatchRecord.State.LEFT_OUT),
}


def tab_of(standing: str) -> str:
    """In which tab of the list records of this outcome, or state, stand."""
    return next((tab for tab, states in NOT_ASKED.items() if standing in states), standing)


def outcome_state(outcome: str) -> State:
    return State(str(Outcome(outcome).label), *LOOKS[Outcome(outcome)])


def groups_of(look: SynchJob, apps: Mapping[str, str]) -> list[list[dict[str, Any]]]:
    """The criteria under which the look was made, as it keeps them; fields as people call them."""
    found = look.options.get("groups", [])
    return [[_named(line, apps) for line in lines] for lines in found] if isinstance(found, list) else []


def fields_of(look: SynchJob, apps: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every field of which the look kept values: those of the criteria, and a few that tell records apart."""
    found = look.options.get("fields", [])
    return [_named(line, apps) for line in found] if isinstance(found, list) else []


def _named(line: dict[str, Any], apps: Mapping[str, str]) -> dict[str, Any]:
    return line | {side.value: field_word(str(line[side.value]), side.value, apps) for side in SIDES}


def field_name(line: Mapping[str, Any]) -> str:
    return " = ".join(dict.fromkeys((str(line["left"]), str(line["right"]))))


class MetRow:
    """A record of a look. Annotated as by ``match_found.told``.

    ``creates``: sides on which a run makes records for what matches nothing.
    """

    def __init__(
        self,
        row: MatchRecord,
        apps: Mapping[str, str],
        groups: Sequence[Lines],
        creates: Iterable[Side] = (),
    ) -> None:
        self.row, self.pk, self.title = row, row.pk, row.title
        self.name = self.title
        self.side, self.there = Side(row.side), Side(row.side).other
        self.app, self.other_app = apps[self.side.value], apps[self.there.value]
        self._groups, self._creates = groups, set(creates)
        self.counterpart = _record(row, self.there)
        self.coupling = _coupling(row)
        self.problem_state = (getattr(row, "coupling", None) or {}).get("problem_state")
        problem = (getattr(row, "coupling", None) or {}).get("problem")
        self.problem_url = reverse("coupling:problem", args=[problem]) if problem else ""

    # -- who, and with whom ----------------------------------------------------------------------------------

    @property
    def pair(self) -> Coupling | None:
        """The coupling of the record with another one, as memory holds it now (also one that was taken apart)."""
        return self.coupling if self.coupling is not None and not self.coupling.is_half else None

    @property
    def pair_url(self) -> str:
        return record_url(self.pair) if self.pair is not None else ""

    @property
    def other(self) -> str:
        """The record of the other side it goes with; "" where there is none, or more than one."""
        if self.counterpart is not None:
            return self.counterpart.title
        return self.pair.title(self.there) if self.pair is not None else self.row.other_id

    @property
    def instead(self) -> str:
        """What stands in the place of a counterpart."""
        if self.row.outcome == Outcome.SEVERAL:
            return _("several records of %(app)s") % {"app": self.other_app}
        if self.row.outcome == Outcome.TAKEN:
            return _("a record of %(app)s that goes with another one") % {"app": self.other_app}
        if self.row.outcome == Outcome.NONE and self.is_created:
            return _("nothing yet; a run creates it in %(app)s") % {"app": self.other_app}
        return _("nothing in %(app)s") % {"app": self.other_app}

    @property
    def is_created(self) -> bool:
        """Whether a run would make its counterpart."""
        return self.is_open and self.row.outcome == Outcome.NONE and self.there in self._creates

    # -- by what ---------------------------------------------------------------------------------------------

    @property
    def values(self) -> list[tuple[str, str]]:
        """The fields of the group that decided, else of all; a pair that spells one differently has both values."""
        row, other = self.row, self.counterpart
        decided = row.place is not None and row.place < len(self._groups)
        lines = self._groups[row.place or 0] if decided else _each(self._groups)
        return [(name, value) for name, value in (_said(line, row, other) for line in lines) if value]

    @property
    def besides(self) -> list[tuple[str, str]]:
        """Those that do not stand in the title already; of a pair all, for they are why the two match."""
        pair = self.counterpart is not None
        return [(name, value) for name, value in self.values if pair or value not in self.title]

    @property
    def compared(self) -> str:
        """The values as one text."""
        return "; ".join(f"{name}: {value}" for name, value in self.values)

    # -- what is so ------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a person can still decide about it here."""
        free = self.row.state == MatchRecord.State.FREE and self.row.outcome in OPEN
        return free and self.problem_state != Problem.State.ON_PURPOSE and self.pair is None

    @property
    def state(self) -> State:
        row = self.row
        if not row.outcome:
            looks = ("link", "good") if row.state == MatchRecord.State.COUPLED else ("pause", "closed")
            return State(str(row.get_state_display()), *looks)
        return outcome_state(row.outcome)

    @property
    def result(self) -> str:
        """What came of it since, besides its outcome; "" where there is nothing to say."""
        row = self.row
        if row.state == MatchRecord.State.FREE:
            if self.problem_state == Problem.State.ON_PURPOSE:
                return _("left out on purpose since")
            if self.pair is not None:
                return _("coupled since")
            return item_note(row.note) if row.note else ""
        if row.state != MatchRecord.State.COUPLED:
            return ""
        if self.coupling is None:
            return _("taken apart since") if row.outcome else item_note("coupled_elsewhere")
        return str(Problem.State(self.problem_state).label) if self.problem_state else ""

    @property
    def couple_url(self) -> str:
        """Where it is coupled by hand; "" where it is not for that."""
        if not self.is_open:
            return ""
        row = self.row
        query: dict[str, Any] = {"mapping": row.mapping_id, "side": row.side, "id": row.record_id}
        return f"{reverse('coupling:couple')}?{urlencode(query)}"


def _record(row: MatchRecord, side: Side) -> MatchRecord | None:
    said = getattr(row, "other", None)
    return MatchRecord(side=side.value, record_id=row.other_id, **said) if said else None


def _coupling(row: MatchRecord) -> Coupling | None:
    said = getattr(row, "coupling", None)
    if not said:
        return None
    names = {name: value for name, value in said.items() if not name.startswith("problem")}
    return Coupling(mapping_id=row.mapping_id, **names)


def _each(groups: Sequence[Lines]) -> list[Mapping[str, Any]]:
    """Each field of the criteria once."""
    return list({line["rule"]: line for lines in groups for line in lines}.values())


def value_of(line: Mapping[str, Any], record: MatchRecord) -> str:
    """What a record holds in a field, as people may see it."""
    return HIDDEN if line.get("sensitive") else str(record.values.get(line["rule"], ""))


def _said(line: Mapping[str, Any], row: MatchRecord, other: MatchRecord | None) -> tuple[str, str]:
    """A field and what it holds: both values where there is a counterpart and they are spelled differently."""
    own = value_of(line, row)
    its = value_of(line, other) if other is not None else own
    return str(line[row.side]), own if own == its else f"{own} = {its}"
