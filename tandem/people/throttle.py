"""At most ten failed sign-ins per name and address, and a hundred per address, in a quarter of an hour."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from tandem.people.models import SignInFailure

WINDOW = timedelta(minutes=15)
PER_NAME = 10
PER_ADDRESS = 100
KEPT = timedelta(days=1)


def minutes_to_wait(request: HttpRequest, name: str) -> int:
    """Whole minutes until the next try; 0 where one may try now."""
    now = timezone.now()
    recent = SignInFailure.objects.filter(address=address_of(request), at__gt=now - WINDOW)
    return max(
        _wait(recent.filter(name=digest(name)), PER_NAME, now),
        _wait(recent, PER_ADDRESS, now),
    )


def failed(request: HttpRequest, name: str) -> None:
    """Remember a failed try; forget those that count no longer."""
    SignInFailure.objects.filter(at__lt=timezone.now() - KEPT).delete()
    SignInFailure.objects.create(name=digest(name), address=address_of(request))


def forget(request: HttpRequest, name: str) -> None:
    """Somebody got in: earlier slips under this name from this address no longer count."""
    SignInFailure.objects.filter(name=digest(name), address=address_of(request)).delete()


def digest(name: str) -> str:
    return hashlib.sha256(name.strip().casefold().encode()).hexdigest()


def address_of(request: HttpRequest) -> str | None:
    """The peer's address. Behind a proxy the web server sets it (gunicorn: ``--forwarded-allow-ips``), not a header."""
    return request.META.get("REMOTE_ADDR") or None


def _wait(failures: QuerySet[SignInFailure], limit: int, now: datetime) -> int:
    """Minutes until the oldest of the last ``limit`` failures no longer counts."""
    times = list(failures.order_by("-at").values_list("at", flat=True)[:limit])
    if len(times) < limit:
        return 0
    left = times[-1] + WINDOW - now
    return max(1, math.ceil(left.total_seconds() / 60))
