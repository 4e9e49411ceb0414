"""Set-up checks as people read them: what was found, what it means, what to do and who can do it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from synccore import guides
from synccore.guides.checks import render_check
from synccore.models import Connection, SetupCheck
from synccore.tables import State

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
        self.pk, self.at, self.mapping = check.pk, check.at, check.mapping
        state = SetupCheck.State(check.state)
        self.state = State(str(state.label), *_LOOKS[state])
        told = render_check(check.code, check.state, _with_reason(check.params, app.name), app=app.name)
        self.title, self.sentence, self.who = told.title, told.sentence, told.who
        self.help = check.code if guides.has_help(check.code) else ""
        self.steps, self.statement = told.steps, told.statement
        self.said = str(check.params.get("said") or "")
        self.speaker = _("%(app)s answered:") % {"app": app.name}


def check_rows(app: Connection) -> list[CheckRow]:
    """What the last check of the app's set-up found, what needs somebody first; one query."""
    found = list(SetupCheck.objects.filter(connection=app).select_related("mapping").order_by("pk"))
    found.sort(key=lambda check: _ORDER.index(SetupCheck.State(check.state)))
    return [CheckRow(check, app) for check in found]


def _with_reason(params: dict[str, Any], app: str) -> dict[str, Any]:
    """The facts of a check; where a failure stands behind it, that failure's sentence and its GRANT statement too."""
    code = params.get("failure")
    if not code:
        return params
    facts = {**(params.get("facts") or {}), "app": app}
    grant = str(facts.pop("grant", "") or "")
    sentence = guides.render(str(code), facts, kind=str(params.get("kind", ""))).sentence
    return {**params, "because": sentence, "grant": grant}
