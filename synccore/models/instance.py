"""Which installation this database belongs to, so that a copy of it does not start to synchronize.

The id stands in the database and, outside it, in the setting ``INSTANCE`` or else in the file
``INSTANCE_FILE`` beside the data. A database that was copied meets another id, or no file: everything is
paused until a person runs ``manage.py resume``.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from .connection import Instance, Integration

#: Stands as the reason of a pause that the guard made; ``synccore.guides`` has its sentence.
MISMATCH = "instance_mismatch"


def _written() -> str:
    """The id that stands outside the database; "" where there is none yet."""
    if settings.INSTANCE:
        return str(settings.INSTANCE)
    try:
        return Path(settings.INSTANCE_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _write(instance_id: str) -> str:
    """Put the id beside the data, unless the environment names it. Gives the id that stands there now."""
    if settings.INSTANCE:
        return str(settings.INSTANCE)
    path = Path(settings.INSTANCE_FILE)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(f"{instance_id}\n")
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return _written()  # another process was first; its id stands there whole
    finally:
        draft.unlink()
    return instance_id


def own_instance() -> Instance:
    """The instance's row; made at first start, with the id that stands outside or a new one."""
    found = Instance.objects.filter(pk=1).first()
    if found is None:
        instance_id = _written() or _write(uuid.uuid4().hex)
        found, _ = Instance.objects.get_or_create(pk=1, defaults={"instance_id": instance_id})
    return found


def instance_matches() -> bool:
    """Whether this database belongs to this installation. At first start it is made to.

    False where the id outside the database is another one or, for a database that has one, missing.
    """
    return own_instance().instance_id == _written()


def guard_instance() -> bool:
    """:func:`instance_matches`; where it does not, every integration that runs is paused. Called by the tick.

    One query as long as all is well.
    """
    if instance_matches():
        return True
    Integration.objects.filter(paused_since=None).update(
        paused_since=timezone.now(), paused_by=None, paused_reason=MISMATCH
    )
    return False


def resume_instance() -> int:
    """Make this database belong to this installation and end the pauses of the guard; gives their number.

    Integrations that a person paused stay paused.
    """
    with transaction.atomic():
        instance = Instance.objects.select_for_update().get(pk=own_instance().pk)
        instance.instance_id = _written() or _write(uuid.uuid4().hex)
        instance.save(update_fields=["instance_id"])
        return Integration.objects.filter(paused_reason=MISMATCH).update(
            paused_since=None, paused_by=None, paused_reason=""
        )
