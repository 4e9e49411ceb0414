"""Whose records are whose: the codes by which the apps name people as owners, and what follows for lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.lookups import IsNull

from synccore.models import Connection, Coupling, OwnerCode, Problem, TableMapping
from synccore.models.kept import keep
from synccore.models.problem import ADMINISTRATORS_KINDS
from synccore.models.scoping import SET_UP
from synccore.shapes import SIDES
from ui.paging import among

from .rights import require


class CodeTaken(Exception):
    """Somebody else has this code in this app: ``connection`` names the app, ``person`` who has it."""

    def __init__(self, connection: Connection, person: Any) -> None:
        super().__init__(f"{connection}: {person}")
        self.connection, self.person = connection, person


def codes_of(user: Any) -> dict[int, str]:
    """Connection id → the person's code in that app. Part of the question for the user himself."""
    if user.pk is None:
        return {}
    rows = get_user_model().objects.filter(pk=user.pk, owner_codes__isnull=False)
    return dict(rows.values_list("owner_codes__connection", "owner_codes__code"))


@transaction.atomic
def set_codes(person: Any, codes: Mapping[int, str], *, user: Any) -> None:
    """Set a person's codes: connection id → code, "" takes one away; apps not named keep theirs.

    Raises RightMissing; CodeTaken where another person has the code in that app.
    """
    require(user, SET_UP)
    for connection in Connection.objects.filter(pk__in=list(codes)).order_by("pk"):
        try:
            keep(connection)
        except Connection.DoesNotExist:
            continue  # deleted just now, and its codes with it
        code = codes[connection.pk].strip()
        if not code:
            OwnerCode.objects.filter(user=person, connection=connection).delete()
            continue
        try:
            with transaction.atomic():
                OwnerCode.objects.update_or_create(
                    user=person, connection=connection, defaults={"code": code}
                )
        except IntegrityError:
            taken = OwnerCode.objects.select_related("user").get(connection=connection, code=code)
            raise CodeTaken(connection, taken.user) from None


def owned(codes: Mapping[int, str]) -> Q:
    """Couplings that one of the codes (connection id → code) owns on its side; indexes coupling_left_owner, _right_owner."""
    wanted = Q(pk__in=[])
    for side in SIDES:
        for connection, code in codes.items():
            app = f"mapping__integration__{side.value}"
            wanted |= Q(**{f"{side.value}_owner": code, app: connection})
    return wanted


def problems_owned(problems: QuerySet[Problem], codes: Mapping[int, str]) -> QuerySet[Problem]:
    """*My records*: problems of records that one of the codes owns."""
    return problems.filter(among("coupling", Coupling.objects.filter(owned(codes)).values("pk")))


def problems_unowned(problems: QuerySet[Problem]) -> QuerySet[Problem]:
    """*No owner*: problems of records whose owner, as both apps name him, is nobody here."""
    found = Coupling.objects.filter(unowned(), pk=OuterRef("coupling")).values("pk")[:1]
    return problems.filter(IsNull(Subquery(found), False))  # each looked up by itself, not joined


def owned_counts(user: Any, codes: Mapping[int, str]) -> dict[str, int]:
    """Open problems of a person's own records by state and turn, exact: the numbers of his tabs. One query."""
    admin = Case(When(kind__in=ADMINISTRATORS_KINDS, then=Value(True)), default=Value(False))
    mine = problems_owned(Problem.objects.visible_to(user).of_records().not_ended(), codes)
    found = dict.fromkeys(("needs_you", "with_the_administrator", "waiting", "will_retry", "on_purpose"), 0)
    for state, of_admin, n in mine.order_by().values_list("state").annotate(admin=admin, n=Count("pk")):
        if state == Problem.State.SKIPPED:
            found["with_the_administrator" if of_admin else "needs_you"] += n
        else:
            found["will_retry" if state == Problem.State.RETRYING else state] += n
    return found


def unowned() -> Q:
    """Couplings whose owner, as both apps name him, is nobody here. Codes and mappings are looked up: joined, they were read
    anew for each coupling while the database knew nothing of these tables."""
    codes: dict[int, list[str]] = {}
    for app, code in OwnerCode.objects.values_list("connection", "code"):
        codes.setdefault(app, []).append(code)
    mappings: dict[tuple[str, int], list[int]] = {}
    for mapping, *apps in TableMapping.objects.values_list("pk", "integration__left", "integration__right"):
        for side, app in zip(SIDES, apps, strict=True):
            mappings.setdefault((side.value, app), []).append(mapping)
    known = Q(pk__in=[])
    for (side_text, app), of_app in mappings.items():
        if app in codes:
            known |= Q(mapping__in=of_app, **{f"{side_text}_owner__in": codes[app]})
    return ~known
