"""Whose records are whose: the codes by which the apps name people as owners, and what follows for lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from synccore.models import Connection, OwnerCode, TableMapping
from synccore.models.scoping import SET_UP
from synccore.shapes import SIDES

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
    for connection in Connection.objects.filter(pk__in=list(codes)):
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


def owned(codes: Mapping[int, str], mappings: Iterable[TableMapping], *, path: str = "") -> Q:
    """Couplings of these mappings that one of the codes owns on its side. ``path``: lookup to the coupling, with ``__``."""
    wanted = Q(pk__in=[])
    of_mapping = f"{path}mapping__in"
    for side in SIDES:
        for connection, code in codes.items():
            mine = [
                each.pk for each in mappings if each.integration_id and each.connection(side).pk == connection
            ]
            if mine:
                wanted |= Q(**{f"{path}{side.value}_owner": code, of_mapping: mine})
    return wanted


def unowned(*, path: str = "") -> Q:
    """Couplings whose owner, as both apps name him, is nobody here."""
    found = Q()
    for side in SIDES:
        known = OwnerCode.objects.filter(
            connection=OuterRef(f"{path}mapping__integration__{side.value}"),
            code=OuterRef(f"{path}{side.value}_owner"),
        )
        found &= Q(~Exists(known))
    return found
