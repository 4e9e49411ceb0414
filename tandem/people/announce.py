"""Said in the log when the web starts and nobody administers yet. The demo has its own people and says nothing."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import DatabaseError

from tandem.people import first

log = structlog.get_logger(__name__)


def announce() -> None:
    """Print a one-time code once; a start after that names the command that prints a new one. Never stops the start."""
    if settings.DEMO or settings.TESTING or settings.BUILDING:
        return
    try:
        if not first.is_open():
            return
        code = first.new_code(replace=False)
    except DatabaseError:
        return  # not migrated or not reachable: /healthz says so
    if code:
        log.warning("no_administrator_yet", page="/first-administrator/", one_time_code=code, valid_hours=24)
    else:
        log.warning("no_administrator_yet", page="/first-administrator/", new_code_by="manage.py first_admin")
