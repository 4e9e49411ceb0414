"""Can this process do its work? `/healthz` for load balancers, `manage.py health` for the rest.

It is a middleware and stands first: who asks comes in plain http, with an address instead of a host name,
and without signing in.
"""

import logging
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

log = logging.getLogger(__name__)
PATH = "/healthz"
SECONDS = 2


def answer_health_checks(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """200 when database and broker answer, else 503. Says which one does not; why stands in the log only."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path != PATH:
            return get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            parts = states()
        finally:
            connection.close_if_unusable_or_obsolete()
        fine = "down" not in parts.values()
        body = {"status": "ok" if fine else "unavailable"} | parts
        return JsonResponse(body, status=200 if fine else 503, headers={"Cache-Control": "no-store"})

    return middleware


def states() -> dict[str, str]:
    """`{"database": "ok" | "down", "broker": …}`, each asked now."""
    checks = {"database": _ask_database, "broker": _ask_broker}
    return {name: "ok" if _is_fine(name, check) else "down" for name, check in checks.items()}


def _is_fine(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except (DatabaseError, redis.RedisError, OSError) as fault:
        log.warning("Health check: %s does not answer: %s", name, fault)
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_broker() -> None:
    url = settings.REDIS_URL.replace("redis+socket://", "unix://", 1)
    with redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
        client.ping()
