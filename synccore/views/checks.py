"""Set-up checks as people read them: what was found, what it means, what to do and who can do it; by subject, failures
first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from synccore import guides
from synccore.guides.check_subjects import SUBJECTS, subject_of
from synccore.guides.checks import render_check
from synccore.models import Connection, SetupCheck
from synccore.tables import State, speaker_of

#: What needs somebody comes first.
_ORDER = (SetupCheck.State.FAIL, SetupCheck.State.WARN, SetupCheck.State.UNKNOWN, SetupCheck.State.PASS)
_LOOKS = {
    SetupCheck.State.FAIL: ("stop", "person"),
    SetupCheck.State.WARN: ("warning", "waits"),
    SetupCheck.State.UNKNOWN: ("question", "closed"),
    SetupCheck.State.PASS: ("check", "good"),
}


class CheckRow:
    """One check of a connection."""

    def __init__(self, check: SetupCheck, app: Connection) -> None:
        self.pk, self.at, self.mapping, self.code = check.pk, check.at, check.mapping, check.code
        self.outcome = SetupCheck.State(check.state)
        self.state = State(str(self.outcome.label), *_LOOKS[self.outcome])
        told = render_check(check.code, check.state, _with_reason(check.params, app.name), app=app.name)
        self.title, self.sentence, self.who = told.title, told.sentence, told.who
        self.help = check.code if guides.has_help(check.code) else ""
        self.steps, self.statement = told.steps, told.statement
        self.said = str(check.params.get("said") or "")
        self.has_cause = bool(check.params.get("failure"))
        self.speaker = speaker_of(app.name, self.said)
        #: Since when; None where it was found for the first time at the last look.
        self.since = check.since if check.since < check.at else None
        #: Where an administrator of Tandem can do something about it, and what the link says; "" where he need not.
        way: tuple[str, Any] = ("", "") if self.passed else _way(check)
        self.url, self.link = way
        #: Titles of what could not be checked for the same reason.
        self.also: list[str] = []

    @property
    def passed(self) -> bool:
        return self.outcome is SetupCheck.State.PASS

    def is_held_by(self, other: CheckRow) -> bool:
        """Whether it could not be made for the reason that ``other`` says already."""
        unknown = self.outcome is SetupCheck.State.UNKNOWN
        return unknown and self.has_cause and (self.sentence, self.said) == (other.sentence, other.said)


#: The page on which an administrator can change what a check is about, of the mapping or of the connection, and what the
#: link to it says.
_OF_MAPPING = {
    "fields": ("mapping_fields", _("Edit the fields")),
    "field_type": ("mapping_fields", _("Edit the fields")),
    "compatible": ("mapping_fields", _("Edit the fields")),
    "table": ("edit_mapping", _("Edit the mapping")),
}
_OF_APP = {
    "currencies": ("currencies", _("Base currency and exchange rates")),
    "base_currency": ("currencies", _("Base currency and exchange rates")),
    "address": ("edit_connection", _("Edit the connection")),
    "coupled_records": ("edit_connection", _("Edit the connection")),
    "certificate": ("edit_connection", _("Edit the connection")),
    "signs_in": ("credentials", _("Replace the credentials")),
}


def _way(check: SetupCheck) -> tuple[str, Any]:
    """Address and words of the link to the page where it is changed; empty where an administrator of Tandem cannot."""
    if check.code in _OF_MAPPING and check.mapping_id:
        name, words = _OF_MAPPING[check.code]
        return reverse(f"synccore:{name}", args=[check.mapping_id]), words
    if check.code in _OF_APP:
        name, words = _OF_APP[check.code]
        return reverse(f"synccore:{name}", args=[check.connection_id]), words
    return "", ""


@dataclass(frozen=True)
class CheckGroup:
    """The checks of one subject: those that need somebody, and those that passed."""

    subject: str
    title: str
    rows: list[CheckRow]
    passed: list[CheckRow]

    @property
    def state(self) -> State:
        """The worst of them."""
        return (self.rows or self.passed)[0].state


@dataclass(frozen=True)
class Checks:
    """All checks of an app as they stand now. ``at``: when it was looked at; None where it never was."""

    groups: list[CheckGroup]
    counts: dict[SetupCheck.State, int]
    at: datetime | None

    @property
    def summary(self) -> list[State]:
        """How many failed, are worth a word, could not be made, passed; what there is none of is left out."""
        words = {
            SetupCheck.State.FAIL: lambda n: ngettext("%(n)s failed", "%(n)s failed", n),
            SetupCheck.State.WARN: lambda n: ngettext("%(n)s warning", "%(n)s warnings", n),
            SetupCheck.State.UNKNOWN: lambda n: ngettext(
                "%(n)s could not be checked", "%(n)s could not be checked", n
            ),
            SetupCheck.State.PASS: lambda n: ngettext("%(n)s passed", "%(n)s passed", n),
        }
        found = [(state, self.counts.get(state, 0)) for state in _ORDER]
        return [State(words[state](n) % {"n": n}, *_LOOKS[state]) for state, n in found if n]

    @property
    def failed(self) -> int:
        return self.counts.get(SetupCheck.State.FAIL, 0)


def checks_of(app: Connection) -> Checks:
    """What the last check of the app's set-up found, by subject; one query."""
    rows = check_rows(app)
    by_subject: dict[str, list[CheckRow]] = {}
    for row in _told_once(rows):  # the worst comes first, and brings its subject with it
        by_subject.setdefault(subject_of(row.code), []).append(row)
    order = list(SUBJECTS)
    groups = [
        CheckGroup(
            subject,
            str(SUBJECTS[subject]),
            [row for row in found if not row.passed],
            [row for row in found if row.passed],
        )
        for subject, found in by_subject.items()
    ]
    groups.sort(key=lambda group: (_worst(group), order.index(group.subject)))
    counts: dict[SetupCheck.State, int] = {}
    for row in rows:
        counts[row.outcome] = counts.get(row.outcome, 0) + 1
    return Checks(groups, counts, rows[0].at if rows else None)


def _told_once(rows: list[CheckRow]) -> list[CheckRow]:
    """The rows without those that could not be made for a reason that one before them says: it names them instead."""
    told: list[CheckRow] = []
    for row in rows:
        reason = next((each for each in told if row.is_held_by(each)), None)
        if reason is None:
            told.append(row)
        else:
            reason.also.append(f"{row.title} ({row.mapping})" if row.mapping else row.title)
    return told


def _worst(group: CheckGroup) -> int:
    return min(_ORDER.index(row.outcome) for row in (*group.rows, *group.passed))


def check_rows(app: Connection) -> list[CheckRow]:
    """What the last check of the app's set-up found, what needs somebody first; one query."""
    found = list(SetupCheck.objects.filter(connection=app).select_related("mapping").order_by("pk"))
    found.sort(key=lambda check: _ORDER.index(SetupCheck.State(check.state)))
    return [CheckRow(check, app) for check in found]


def _with_reason(params: dict[str, Any], app: str) -> dict[str, Any]:
    """The facts of a check; where a failure stands behind it, that failure's sentence and its GRANT statement too."""
    if not params.get("failure"):
        return params
    grant = str((params.get("facts") or {}).get("grant", "") or "")
    return {**params, "because": sentence_of(params, app), "grant": grant}


def sentence_of(because: dict[str, Any], app: str) -> str:
    """The sentence of a stored failure (``failure``, ``kind``, ``facts``)."""
    facts = {**(because.get("facts") or {}), "app": app}
    facts.pop("grant", None)
    return guides.render(str(because.get("failure")), facts, kind=str(because.get("kind", ""))).sentence
