"""`/healthz`: can this process do its work? For load balancers and container health checks."""

import logging
from collections.abc import Callable

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

log = logging.getLogger(__name__)
SECONDS = 2


@require_safe
@never_cache
@login_not_required
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 when database and broker answer, else 503. Says which one does not; why stands in the log only."""
    checks = {"database": _database_answers, "broker": _broker_answers}
    found = {name: _is_fine(name, check) for name, check in checks.items()}
    fine = all(found.values())
    body = {"status": "ok" if fine else "unavailable"} | {
        name: "ok" if yes else "down" for name, yes in found.items()
    }
    return JsonResponse(body, status=200 if fine else 503)


def _is_fine(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except (DatabaseError, redis.RedisError, OSError) as fault:
        log.warning("Health check: %s does not answer: %s", name, fault)
        return False
    return True


def _database_answers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker_answers() -> None:
    url = settings.REDIS_URL.replace("redis+socket://", "unix://", 1)
    with redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
        client.ping()
