"""Reading the environment: typed, and loud when something is wrong.

Every helper raises ImproperlyConfigured with one plain sentence that names the variable and says what to do.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

YES = {"1", "true", "yes", "on"}
NO = {"", "0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def required(name: str, how: str) -> str:
    """The variable's value; without one, the sentence says how to get it."""
    value = text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: {how}")
    return value


def flag(name: str, *, default: bool = False) -> bool:
    value = text(name).lower()
    if name not in os.environ:
        return default
    if value in YES:
        return True
    if value in NO:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: write 1 for yes or 0 for no.")


def number(name: str, default: int) -> int:
    value = text(name)
    try:
        return int(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number.") from None


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A comma-separated list; spaces around the commas are ignored."""
    found = [word.strip() for word in os.environ.get(name, "").split(",")]
    return [word for word in found if word] or list(default)


def folder(name: str, default: Path) -> Path:
    value = text(name)
    return Path(value) if value else default


def database(url: str) -> dict[str, object]:
    """A libpq URL or connection string as Django's DATABASES entry.

    A Unix socket stands in the query (`postgresql://user:password@/name?host=/folder`) or, percent-encoded,
    as the host. Options Django has no word for (`sslmode` …) go to libpq as they are.
    """
    if "://" in url and urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://; nothing else is supported.")
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as fault:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {str(fault).strip()}.") from None
    name = parts.pop("dbname", None)
    if not name:
        raise ImproperlyConfigured("DATABASE_URL names no database: end it with /tandem.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "") or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5} | parts,
    }


def broker(url: str) -> str:
    """REDIS_URL as Celery spells it. A Unix socket is written `unix:///path`, as redis-py does."""
    scheme = urlsplit(url).scheme
    if scheme == "unix":
        return "redis+socket" + url.removeprefix("unix")
    if scheme in ("redis", "rediss", "redis+socket"):
        return url
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")


def fernet_keys(keys: list[str]) -> list[str]:
    """Checks TANDEM_CREDENTIAL_KEYS: the first encrypts, all decrypt, so a new key is put in front."""
    from cryptography.fernet import Fernet

    for position, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"TANDEM_CREDENTIAL_KEYS: key {position} is not 32 bytes in URL-safe base64; "
                f"make one with: {MAKE_FERNET}"
            ) from None
    return keys


MAKE_FERNET = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
MAKE_SECRET = 'python -c "import secrets; print(secrets.token_urlsafe(50))"'
