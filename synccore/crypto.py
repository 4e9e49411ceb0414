"""Credentials at rest: Fernet with key rotation. The first key seals, every key opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from synccore.failures import Misconfigured, Scope


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _keys() -> tuple[str, ...]:
    return tuple(settings.CREDENTIAL_KEYS)


def seal(secrets: Mapping[str, str]) -> str:
    """Encrypt credentials; "" for none."""
    if not secrets:
        return ""
    return _fernet(_keys()).encrypt(json.dumps(dict(secrets)).encode()).decode()


def open_sealed(token: str, *, app: str) -> dict[str, str]:
    """Decrypt what :func:`seal` made.

    Raises Misconfigured (scope connection) where no key fits: another installation's data, or a key that was dropped.
    """
    if not token:
        return {}
    try:
        opened: dict[str, str] = json.loads(_fernet(_keys()).decrypt(token.encode()))
    except InvalidToken:
        raise Misconfigured("credentials_unreadable", {"app": app}, scope=Scope.CONNECTION) from None
    return opened
