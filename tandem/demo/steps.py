"""The first five minutes: what a newcomer does, checked off by what really happened (by the memory, not by clicks)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db.models import Exists, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from synccore.failures import Kind
from synccore.models import Problem, SynchJob
from tandem.demo.cases import CASES, Case
from tandem.demo.fault import Text


@dataclass(frozen=True)
class Step:
    """One thing to do. ``who`` signs in for it ("" for anybody); ``url`` and ``query`` lead to where it is done."""

    name: str
    title: Text
    how: Text
    url: str
    query: str = ""
    who: str = ""


STEPS: Final = (
    Step(
        "met",
        _("See what the jobs ran into"),
        _("The first jobs couple both apps and meet real faults. Within two minutes they stand here."),
        "coupling:coupled",
        "?tab=all",
    ),
    Step(
        "conflict",
        _("End a conflict"),
        _(
            "Open De Vries & Dochters: its phone number was changed in both apps. Press Synchronize, choose, Apply."
        ),
        "coupling:coupled",
        "?kind=conflict",
        "owner",
    ),
    Step(
        "restored",
        _("Restore a deleted record"),
        _("Open Nordlys Fisk AS, deleted in the CRM, and press Restore Records: the CRM gets it again."),
        "coupling:coupled",
        "?kind=missing",
        "admin",
    ),
    Step(
        "set_up",
        _("Put the set-up right"),
        _(
            "Salespeople is stopped: the banner names the missing right. Run the GRANT on Break something, Check now."
        ),
        "errors:entries",
        who="admin",
    ),
    Step(
        "own",
        _("Make a conflict of your own, and end it"),
        _(
            "Open this record and edit one field in both apps before the next scheduled run; then synchronize and decide."
        ),
        "coupling:records",
        "?q=C10100",
        "admin",
    ),
    Step(
        "broken",
        _("Break something, and find it"),
        _(
            "Let the password expire or delete 300 accounts; see what Tandem says, put it right, watch it end."
        ),
        "demo:break",
        who="admin",
    ),
)

#: Codes of what *Break something* makes; the grant that is missing from the start is a step of its own.
_BROKEN: Final = (
    "sign_in_refused",
    "password_expired",
    "app_starting",
    "connection_lost",
    "connection_refused",
    "too_many_deletions",
)


@dataclass(frozen=True)
class Done:
    step: Step
    is_done: bool


def look(
    steps: Sequence[Step] = STEPS, cases: Sequence[Case] = CASES, broken: Sequence[str] = _BROKEN
) -> list[Done]:
    """The steps with what was done so far; one question to the database. ``broken``: codes of what can be broken."""
    keys = [each.key for each in cases]
    stopped = next(each.mapping for each in cases if each.setup)
    ended: QuerySet[Problem] = Problem.objects.filter(state=Problem.State.ENDED)
    conflicts = ended.filter(kind=Kind.CONFLICT.value, ended_by__isnull=False)
    restored = SynchJob.objects.filter(verb="restore", state=SynchJob.State.FINISHED).filter(
        Q(inserted__gt=0) | Q(modified__gt=0)
    )
    facts: dict[str, QuerySet[Any]] = {
        "met": Problem.objects.of_records(),
        "conflict": conflicts,
        "restored": restored,
        "set_up": ended.of_setup().filter(code="missing_privilege"),  # type: ignore[attr-defined]
        "own": conflicts.exclude(coupling__left_key__in=keys).exclude(coupling__right_key__in=keys),
        "broken": ended.of_setup().filter(  # type: ignore[attr-defined]
            Q(code__in=broken) | Q(code="missing_privilege") & ~Q(mapping__name=stopped)
        ),
    }
    row = get_user_model().objects.values(**{name: Exists(facts[name]) for name in facts}).first() or {}
    return [Done(step, bool(row.get(step.name))) for step in steps]
