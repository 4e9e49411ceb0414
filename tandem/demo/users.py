"""Who may sign in to the demo's console, and with which rights (DESIGN, *Rights*)."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction

from synccore.models import MappingGrant, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.roles import ADMINISTRATOR, RECORD_OWNER, VIEWER, set_up_roles
from tandem.demo.mappings import MAPPINGS

#: A group of this company besides Tandem's three: record owners who see two mappings only.
PURCHASING: Final = "Purchasing"


@dataclass(frozen=True)
class Person:
    name: str
    first: str
    last: str
    group: str
    does: str


PEOPLE: Final = (
    Person("admin", "Ada", "Min", ADMINISTRATOR, "may do everything, set-up included"),
    Person(
        "owner", "Olivia", "Jansen", RECORD_OWNER, "owns customers, contacts and items: retries, synchronizes"
    ),
    Person("purchaser", "Per", "Nilsen", PURCHASING, "sees vendors and items only"),
    Person("viewer", "Vera", "Berg", VIEWER, "sees everything, changes nothing"),
)
#: Of the two databases; the online apps have units in groups besides.
ALL: Final = (*(spec.name for spec in MAPPINGS), "Unit groups")
#: Which group works with which mappings, and how far.
GRANTS: Final = {
    RECORD_OWNER: (GrantLevel.RESOLVE, tuple(name for name in ALL if name != "Vendors")),
    PURCHASING: (GrantLevel.RESOLVE, ("Vendors", "Items")),
    VIEWER: (GrantLevel.VIEW, ALL),
}


@transaction.atomic
def make_people() -> str:
    """Groups, their rights and grants, and the people; safe to repeat.

    Returns the lines that say how to sign in. People who exist keep their password, except in the demo itself, where the
    start of the demo names it (TANDEM_DEMO_PASSWORD).
    """
    set_up_roles()
    purchasing, new = Group.objects.get_or_create(name=PURCHASING)
    if new:
        purchasing.permissions.set(Group.objects.get(name=RECORD_OWNER).permissions.all())
    groups = {
        name: Group.objects.get(name=name) for name in (ADMINISTRATOR, RECORD_OWNER, PURCHASING, VIEWER)
    }
    for name, (level, mappings) in GRANTS.items():
        for mapping in TableMapping.objects.filter(name__in=mappings):
            MappingGrant.objects.get_or_create(mapping=mapping, group=groups[name], defaults={"level": level})
    given = os.environ.get("TANDEM_DEMO_PASSWORD", "")
    password = given or secrets.token_urlsafe(9)
    lines = []
    for person in PEOPLE:
        user, new = get_user_model().objects.get_or_create(
            username=person.name,
            defaults={
                "first_name": person.first,
                "last_name": person.last,
                "email": f"{person.name}@tandem.example",
                "is_superuser": person.group == ADMINISTRATOR,
                "is_staff": person.group == ADMINISTRATOR,
            },
        )
        if new or (given and not user.check_password(given)):
            user.set_password(password)
            user.save()
        user.groups.add(groups[person.group])
        known = f"password {password}" if new or given else "password as before"
        lines.append(f"{person.name:<10} {known}   ({person.does})")
    return "\n".join(lines)


def write_sign_in(lines: str) -> None:
    """For the start of the demo, which prints it with the address."""
    folder = os.environ.get("TANDEM_DEMO_STATE", "")
    if folder:
        path = Path(folder) / "sign-in.txt"
        path.touch(mode=0o600)
        path.write_text(f"{lines}\n", encoding="utf-8")
