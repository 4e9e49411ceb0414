"""The first five minutes of the online demo."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django.utils.translation import gettext_lazy as _

from tandem.demo import steps
from tandem.demo.online.cases import CASES
from tandem.demo.steps import STEPS, Done, Step

_HOW: Final = {
    "restored": _(
        "Open Nordlys Fisk AS, deleted in Dataverse, and press Restore Records: Dataverse gets it again."
    ),
    "set_up": _(
        "Salespeople is stopped: the banner names the missing permission. Give it back on Break something, Check now."
    ),
    "broken": _(
        "Let the client secret expire or close the environment; see what Tandem says, put it right, watch it end."
    ),
}
#: An app without pages of its own is edited in Tandem; these have theirs.
ONLINE_STEPS: Final[tuple[Step, ...]] = tuple(
    replace(each, how=_HOW.get(each.name, each.how)) for each in STEPS
)
#: Codes of what *Break something* makes.
BROKEN: Final = (
    "secret_expired",
    "secret_refused",
    "sign_in_refused",
    "admin_mode",
    "app_overloaded",
    "connection_refused",
    "connection_lost",
    "throttled",
)


def look() -> list[Done]:
    """The steps with what was done so far; one question to the database."""
    return steps.look(ONLINE_STEPS, CASES, BROKEN)
