"""Who may sign in and what each group may do, as administrators change it.

Every function checks the right, happens in one transaction, and leaves a line in the history. Nobody takes the set-up
away from himself, and one administrator always stays: both are looked at after the change, which is taken back if not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from json import dumps
from typing import Any, Final

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import override

from synccore.models import MappingGrant, TableMapping
from synccore.models.scoping import SET_UP, GrantLevel
from synccore.roles import ADMINISTRATOR, PERMISSIONS, RECORD_OWNER, VIEWER
from synccore.services import acts
from synccore.services.rights import require
from tandem.people import first

#: Tandem's own groups: their names are translated, and an update makes them again.
OWN_GROUPS: Final = (ADMINISTRATOR, RECORD_OWNER, VIEWER)
_LOCK: Final = 0x7A4DE4  # one change of rights after the other


class Refused(Exception):
    """The change was not made. ``code``: yourself, last_administrator, superuser, moved, name_taken, own_group, members,
    already."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def _changing(by: Any) -> Iterator[None]:
    require(by, SET_UP)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield
        if by is not None:
            now = User.objects.filter(pk=by.pk).first()
            if now is None or not now.is_active or not now.has_perm(SET_UP):
                raise Refused("yourself")
        if first.is_open():
            raise Refused("last_administrator")


def _mine(person: User, by: Any) -> None:
    """A superuser may do more than any group, so only superusers change one."""
    if person.is_superuser and by is not None and not by.is_superuser:
        raise Refused("superuser")


def revision_of(person: User) -> str:
    """A word that changes whenever somebody changes the account's facts or groups."""
    facts = (
        person.username, person.first_name, person.last_name, person.email, person.is_active,
        sorted(person.groups.values_list("pk", flat=True)),
    )  # fmt: skip
    return sha256(dumps(facts).encode()).hexdigest()[:24]


def group_revision(group: Group) -> str:
    facts = (group.name, sorted(group.permissions.values_list("pk", flat=True)))
    return sha256(dumps(facts).encode()).hexdigest()[:24]


def save_user(
    person: User | None,
    *,
    by: Any,
    username: str,
    first_name: str = "",
    last_name: str = "",
    email: str = "",
    groups: Sequence[Group] = (),
    revision: str = "",
) -> User:
    """Make or change an account. A new one has no password: ``new_link`` gives the address where it is set.

    Raises RightMissing; Refused ``name_taken``, ``moved`` (somebody changed it since ``revision``), ``superuser``,
    ``yourself``, ``last_administrator``.
    """
    with _changing(by):
        if person is None:
            row = User(is_active=True)
            row.set_unusable_password()
        else:
            row = User.objects.select_for_update().get(pk=person.pk)
            _mine(row, by)
            if revision != revision_of(row):
                raise Refused("moved")
        if User.objects.exclude(pk=row.pk).filter(username__iexact=username).exists():
            raise Refused("name_taken")
        before = _facts(row)
        row.username, row.first_name, row.last_name, row.email = username, first_name, last_name, email
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:
            raise Refused("name_taken") from None
        row.groups.set(groups)
        after = _facts(row)
        said = "; ".join(
            f"{name}: {before[name]} → {now}" for name, now in after.items() if before[name] != now
        )
        if person is None or said:
            acts.note(row, ADDITION if person is None else CHANGE, by=by, said=said)
    return row


def _facts(row: User) -> dict[str, str]:
    """In English, as the history keeps it."""
    groups = ", ".join(row.groups.order_by("name").values_list("name", flat=True)) if row.pk else ""
    return {"name": row.username, "full name": row.get_full_name(), "e-mail": row.email, "groups": groups}


def switch(person: User, *, by: Any, on: bool) -> None:
    """Let somebody sign in again, or end his access: his sessions end at once, his queued jobs find the right gone.

    Raises RightMissing; Refused ``already`` where somebody was quicker, and as ``save_user``.
    """
    with _changing(by):
        row = User.objects.select_for_update().get(pk=person.pk)
        _mine(row, by)
        if row.is_active == on:
            raise Refused("already")
        row.is_active = on
        row.save(update_fields=["is_active"])
        if not on:
            end_sessions(row)
        acts.note(row, CHANGE, by=by, said="switched on" if on else "switched off")


def end_sessions(person: User) -> int:
    """Sessions of this person, also those that would wake up if he is switched on again. Returns how many."""
    ended = 0
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(person.pk):
            session.delete()
            ended += 1
    return ended


def new_link(person: User, *, by: Any) -> tuple[str, str]:
    """What the address needs at which this person sets a new password, once: (id, token). His old password ends with it,
    and so do his sessions.

    Raises RightMissing; Refused ``superuser``, or ``yourself`` (one's own is changed with the old one).
    """
    if by is not None and by.pk == person.pk:
        raise Refused("yourself")
    with _changing(by):
        row = User.objects.select_for_update().get(pk=person.pk)
        _mine(row, by)
        row.set_unusable_password()
        row.save(update_fields=["password"])
        end_sessions(row)
        acts.note(row, CHANGE, by=by, said="new sign-in link")
    return urlsafe_base64_encode(force_bytes(row.pk)), default_token_generator.make_token(row)


# -- groups and grants -------------------------------------------------------------------------------------------------


def permissions() -> list[Permission]:
    """Tandem's own rights, in the order in which they are declared."""
    found = Permission.objects.filter(content_type__app_label="synccore", codename__in=PERMISSIONS)
    return sorted(found, key=lambda each: PERMISSIONS.index(each.codename))


def save_group(
    group: Group | None, *, by: Any, name: str, rights: Sequence[Permission], revision: str = ""
) -> Group:
    """Make or change a group: its name and its rights. Tandem's own groups keep their names, *Administrator* all its rights.

    Raises RightMissing; Refused ``name_taken``, ``moved``, ``yourself``, ``last_administrator``.
    """
    with _changing(by):
        row = Group.objects.select_for_update().get(pk=group.pk) if group is not None else Group()
        if group is not None and revision != group_revision(row):
            raise Refused("moved")
        if row.name not in OWN_GROUPS:
            row.name = name
        if Group.objects.exclude(pk=row.pk).filter(name__iexact=row.name).exists():
            raise Refused("name_taken")
        row.save()
        others = row.permissions.exclude(pk__in=[each.pk for each in permissions()])
        wanted = permissions() if row.name == ADMINISTRATOR else rights
        row.permissions.set([*others, *wanted])
        with override(None):
            said = ", ".join(each.name for each in wanted) or "no rights"
        acts.note(row, ADDITION if group is None else CHANGE, by=by, said=said)
    return row


def delete_group(group: Group, *, by: Any) -> None:
    """Raises RightMissing; Refused ``own_group``, or ``members`` where somebody is in it."""
    with _changing(by):
        row = Group.objects.select_for_update().get(pk=group.pk)
        if row.name in OWN_GROUPS:
            raise Refused("own_group")
        if row.user_set.exists():  # type: ignore[attr-defined]
            raise Refused("members")
        acts.note(row, DELETION, by=by)
        row.delete()


Cell = tuple[int, int]  # group, mapping


def grants() -> dict[Cell, int]:
    """What each group may do with the records of each mapping; nothing where it is missing."""
    return {
        (group, mapping): level
        for group, mapping, level in MappingGrant.objects.values_list("group_id", "mapping_id", "level")
    }


def save_grants(wanted: Mapping[Cell, int], *, seen: Mapping[Cell, int], by: Any) -> tuple[int, list[Cell]]:
    """Change the cells that differ from what the person saw; 0 takes a grant away. Gives how many were changed, and those
    left alone because somebody else changed them meanwhile (or the group or mapping is gone).

    Raises RightMissing; ValueError for a level there is not.
    """
    if set(wanted.values()) - {0, *GrantLevel.values}:
        raise ValueError(wanted)
    changed, moved = 0, []
    with _changing(by):
        now = grants()
        groups = Group.objects.in_bulk({group for group, _mapping in wanted})
        mappings = TableMapping.objects.in_bulk({mapping for _group, mapping in wanted})
        for cell, level in wanted.items():
            if level == seen.get(cell, 0) or level == now.get(cell, 0):
                continue
            group, mapping = groups.get(cell[0]), mappings.get(cell[1])
            if group is None or mapping is None or now.get(cell, 0) != seen.get(cell, 0):
                moved.append(cell)
                continue
            if level:
                MappingGrant.objects.update_or_create(group=group, mapping=mapping, defaults={"level": level})
            else:
                MappingGrant.objects.filter(group=group, mapping=mapping).delete()
            word = GrantLevel(level).name.lower() if level else "nothing"
            acts.note(group, CHANGE, by=by, said=f"{mapping.name}: {word}")
            changed += 1
    return changed, moved


# -- history -----------------------------------------------------------------------------------------------------------


def history(row: User | Group, limit: int = 20) -> list[LogEntry]:
    """Who changed this account or group, newest first."""
    return list(acts.of_row(row._meta.model, row.pk)[:limit])
