"""The first administrator: a one-time code, valid only while nobody can administer.

The code is printed where only the operator looks (the terminal, the log of the web's start) and kept as a digest.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, Group
from django.db import connection, transaction
from django.utils import timezone

from synccore.roles import ADMINISTRATOR, SET_UP
from tandem.people.models import FirstCode

VALID = timedelta(hours=24)
MOST_FAILURES = 20
_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # no look-alikes
_LOCK = 0x7A4DE3  # of the advisory lock that lets one of two people win


def is_open() -> bool:
    """Whether nobody can administer yet."""
    backend = "django.contrib.auth.backends.ModelBackend"
    return not get_user_model().objects.with_perm(SET_UP, backend=backend).exists()


def new_code(*, replace: bool) -> str | None:
    """A fresh code to be printed. None where somebody administers already, or (without ``replace``) one is still valid."""
    with transaction.atomic():
        _lock()
        if not is_open():
            return None
        if (
            not replace
            and FirstCode.objects.filter(expires_at__gt=timezone.now(), failures__lt=MOST_FAILURES).exists()
        ):
            return None
        code = "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
        FirstCode.objects.update_or_create(
            id=1, defaults={"digest": _digest(code), "expires_at": timezone.now() + VALID, "failures": 0}
        )
        return code


def accept(code: str) -> bool:
    """Whether this is the code. A wrong one counts; after twenty the code is void."""
    with transaction.atomic():
        row = FirstCode.objects.select_for_update().filter(expires_at__gt=timezone.now()).first()
        if row is None or row.failures >= MOST_FAILURES:
            return False
        if hmac.compare_digest(row.digest, _digest(code)):
            return True
        row.failures += 1
        row.save(update_fields=["failures"])
        return False


def make(code: str, username: str, password: str) -> AbstractBaseUser | None:
    """The first administrator, once: None where the code is wrong or another person was quicker."""
    if not accept(code):
        return None
    with transaction.atomic():
        _lock()
        if not is_open() or not FirstCode.objects.filter(digest=_digest(code)).exists():
            return None
        person = get_user_model().objects.create_superuser(username=username, password=password)
        person.groups.add(Group.objects.get(name=ADMINISTRATOR))
        FirstCode.objects.all().delete()
        return person


def _digest(code: str) -> str:
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return hmac.new(
        settings.SECRET_KEY.encode(), f"first administrator {plain}".encode(), hashlib.sha256
    ).hexdigest()


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
