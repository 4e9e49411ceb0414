"""Connections as the pages show them: state, clock, options, what there is to choose from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.connectors import CONNECTORS
from synccore.connectors.options import Option
from synccore.guides.shape import CHECKED_AGAIN, NOTHING_TO_DO
from synccore.models import Connection, Problem, SetupCheck, SynchJob
from synccore.services import connections as services
from synccore.tables import JobRow, Said, State

from .checks import sentence_of


def all_connections() -> QuerySet[Any]:
    """Every connection with its last test, its open set-up problems and its failed checks."""
    tests = SynchJob.objects.filter(connection=OuterRef("pk"), verb="check_connection").order_by("-pk")
    problems = Problem.objects.of_setup().open().filter(connection=OuterRef("pk"), mapping=None).order_by()
    count = problems.values("connection").annotate(n=Count("pk")).values("n")
    failing = SetupCheck.objects.filter(connection=OuterRef("pk"), state=SetupCheck.State.FAIL).order_by()
    failed = failing.values("connection").annotate(n=Count("pk")).values("n")
    return Connection.objects.annotate(
        tested=Subquery(tests.values("pk")[:1]), trouble=Subquery(count), failed=Subquery(failed)
    ).order_by("name", "pk")


class ConnectionRow:
    """A connection as the list and its page show it."""

    def __init__(self, app: Any, test: SynchJob | None) -> None:
        self.app, self.pk, self.test = app, app.pk, JobRow(test) if test else None
        self.url = reverse("synccore:connection", args=[app.pk])
        self.kind = kind_name(app.kind)

    @property
    def state(self) -> State:
        """What the last test found; a set-up problem of the app stands before it."""
        if self.app.trouble:
            return State(_("Set-up problem"), "wrench", "person")
        if self.app.failed and not (self.test and self.test.job.is_unfinished):
            text = ngettext("%(n)s set-up check failed", "%(n)s set-up checks failed", self.app.failed)
            return State(text % {"n": self.app.failed}, "wrench", "person")
        return self.test_state

    @property
    def test_state(self) -> State:
        """What the last test found, whatever else is wrong."""
        if self.test is None:
            if self.app.checked_at:
                return State(_("Answered"), "check", "good", self.app.checked_at)
            return State(_("Not tested yet"), "hourglass", "waits")
        job = self.test.job
        if job.is_unfinished:
            return State(_("Being tested"), "play", "runs")
        if self.app.secrets_at and job.queued_at < self.app.secrets_at:
            return State(_("Not tested with the new credentials"), "hourglass", "waits")
        if job.state == SynchJob.State.FINISHED:
            return State(_("Answers"), "check", "good", job.finished_at)
        if job.state == SynchJob.State.CANCELLED:
            return State(_("Test cancelled"), "x", "closed", job.finished_at)
        return State(_("Test failed"), "stop", "person", job.finished_at)

    @property
    def clock(self) -> str:
        """The measured difference of the clocks; "" before it was measured."""
        if self.app.checked_at is None:
            return ""
        values = {
            "skew": number_format(abs(self.app.skew_seconds), 2),
            "uncertainty": number_format(max(self.app.skew_uncertainty, 0.01), 2),
        }
        if abs(self.app.skew_seconds) <= self.app.skew_uncertainty:
            return _("the same as ours (± %(uncertainty)s s)") % values
        if self.app.skew_seconds >= 0:
            return _("%(skew)s s ahead of ours (± %(uncertainty)s s)") % values
        return _("%(skew)s s behind ours (± %(uncertainty)s s)") % values

    @property
    def said(self) -> Said | None:
        """Why the last test failed, with its guide."""
        said = self.test.said if self.test else None
        if said is None or self.app.checked_at is not None:
            return said
        # It never answered, so nothing waits for it, and nobody looks again but the person who connects it.
        return replace(said, told=said.told.without(NOTHING_TO_DO, CHECKED_AGAIN))


@dataclass(frozen=True)
class Answer:
    """One option on the page: what is stored, or that a secret is set. Never a secret's value."""

    label: str
    value: str
    muted: bool = False


@dataclass
class AnswerGroup:
    """Answers under one heading."""

    title: str
    advanced: bool
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True)
class Offer:
    """One thing to choose from. ``value``: what the form sends; ``current``: it is the one in use."""

    label: str
    detail: str
    value: str
    current: bool


@dataclass(frozen=True)
class Listed:
    """What an app listed for people to choose from, when it was last asked. ``trouble``: why there is nothing newer."""

    offers: list[Offer]
    at: datetime | None
    trouble: str
    said: str
    #: Nothing is chosen: the one thing listed is to be confirmed.
    confirms: bool

    @property
    def current(self) -> Offer | None:
        return next((each for each in self.offers if each.current), None)


def kind_name(kind: str) -> str:
    found = CONNECTORS.get(kind)
    return _(found.label) if found and found.label else kind


def declared_of(kind: str) -> tuple[Option, ...]:
    """The options of a kind; none where this version has no connector for it."""
    return CONNECTORS[kind].options if kind in CONNECTORS else ()


def answer_groups(app: Connection) -> list[AnswerGroup]:
    """The options by subject, in the order the connector declares them; those of other versions of it are left out."""
    stored, secrets = services.options_of(app), services.secrets_set(app)
    found: dict[tuple[bool, str], AnswerGroup] = {}
    title = ""
    for option in declared_of(app.kind):
        title = _(option.group) if option.group else title
        answer = _answer(option, stored.get(option.name), secrets)
        if answer is not None:
            key = (option.advanced, title)
            found.setdefault(key, AnswerGroup(title, option.advanced)).answers.append(answer)
    return [found[key] for key in sorted(found, key=lambda each: each[0])]


def _answer(option: Option, value: Any, secrets: set[str] | None) -> Answer | None:
    label = _(option.label)
    if option.secret:
        if secrets is None:
            return Answer(label, _("cannot be read: type it again"), muted=True)
        return Answer(label, _("set") if option.name in secrets else _("not set"), muted=True)
    if value not in (None, ""):
        return Answer(label, _said(value))
    if option.default is not None:
        return Answer(label, _("%(value)s (default)") % {"value": _said(option.default)}, muted=True)
    return None


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return _("%(n)s set") % {"n": len(value)}
    if isinstance(value, dict):
        return ", ".join(f"{key}: {each}" for key, each in value.items())
    return str(value)


def listed_of(app: Connection) -> Listed:
    """What the app listed, with the one in use marked."""
    stored = app.listed if isinstance(app.listed, dict) else {}
    choices = [each for each in stored.get("choices", []) if isinstance(each, dict)]
    offers = [
        Offer(str(each.get("label", "")), str(each.get("detail", "")), key_of(each), _is_current(app, each))
        for each in choices
    ]
    because = stored.get("because") or {}
    return Listed(
        offers,
        parse_datetime(stored["at"]) if stored.get("at") else None,
        sentence_of(because, app.name) if because else "",
        str(because.get("said") or ""),
        confirms=bool(choices) and not any(each.get("answers") for each in choices),
    )


def key_of(choice: dict[str, Any]) -> str:
    """A choice as a form sends it back: what it fills, in an order that does not change."""
    answers = choice.get("answers") or {}
    return urlencode(sorted(answers.items()))


def _is_current(app: Connection, choice: dict[str, Any]) -> bool:
    """Whether the connection uses this one. What an address did not name (a company's name) may be missing."""
    answers = choice.get("answers") or {}
    stored = {name: str(app.options.get(name) or "") for name in answers}
    same = sum(stored[name] == value for name, value in answers.items())
    return (
        same > 0 and same >= len(answers) - 1 and all(stored[name] in ("", answers[name]) for name in answers)
    )


def place_of(app: Connection, listed: Listed) -> str:
    """The company or environment in use, as the app calls it; else what the options say; "" where there is none."""
    if listed.current is not None:
        return " · ".join(filter(None, (listed.current.label, listed.current.detail)))
    if listed.confirms:
        return listed.offers[0].label
    declared = CONNECTORS[app.kind].options if app.kind in CONNECTORS else ()
    return " · ".join(
        str(app.options[each.name]) for each in declared if each.listed and app.options.get(each.name)
    )
