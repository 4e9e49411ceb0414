"""When what begins by itself is due, and when it is late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

#: It is due for so long before it is called late: the tick that starts it comes every few seconds.
LATE_AFTER: Final = timedelta(seconds=60)


def is_due(moment: datetime) -> bool:
    return moment <= timezone.now()


def is_late(moment: datetime) -> bool:
    return moment < timezone.now() - LATE_AFTER
