"""Settings: start fails with one sentence, and a production process is closed by default."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from tandem import env
from tandem.runtime.places import CLONE

PRODUCTION = {
    "DATABASE_URL": "postgresql://tandem:x@db.example/tandem",
    "REDIS_URL": "redis://broker.example:6379/0",
    "TANDEM_SECRET_KEY": "Z3v-9kQwLm0_aXcVbNhYtRfGdSePoIuMnBvCxZ1234567890qwe",
    "TANDEM_CREDENTIAL_KEYS": "uI8kC3n1m0Jw8X0R1aV7G2m1kq3kq3Yb8J5l0bVtJ2E=",
    "TANDEM_ALLOWED_HOSTS": "tandem.example.com",
}


def manage(*arguments, **changes):
    """Runs manage.py as a production process: nothing of this test run in its environment."""
    variables = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | PRODUCTION | changes
    variables = {name: value for name, value in variables.items() if value is not None}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=CLONE, env=variables, capture_output=True, text=True, check=False)


def test_a_production_process_passes_djangos_deployment_check():
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TANDEM_SECRET_KEY", None, "TANDEM_SECRET_KEY is not set: make one with: python -c"),
        ("TANDEM_CREDENTIAL_KEYS", None, "TANDEM_CREDENTIAL_KEYS is not set: make one with: python -c"),
        ("TANDEM_CREDENTIAL_KEYS", "short", "key 1 is not 32 bytes"),
        ("REDIS_URL", None, "REDIS_URL is not set"),
        ("REDIS_URL", "http://x", "REDIS_URL must begin with"),
        ("DATABASE_URL", "mysql://x/y", "DATABASE_URL must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://host", "names no database"),
        ("TANDEM_DEBUG", "perhaps", "write 1 for yes or 0 for no"),
        ("TANDEM_HSTS_SECONDS", "a year", "write a whole number"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_sentence(name, value, sentence):
    done = manage("check", **{name: value})
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_database_url_may_name_a_tcp_host_or_a_socket():
    tcp = env.database("postgresql://me:p%40ss@db.example:5433/tandem?sslmode=require")
    assert (tcp["HOST"], tcp["PORT"], tcp["USER"], tcp["PASSWORD"]) == ("db.example", "5433", "me", "p@ss")
    assert tcp["OPTIONS"]["sslmode"] == "require"
    for url in ("postgresql://me:p@/tandem?host=/run/pg", "postgresql://me:p@%2Frun%2Fpg/tandem"):
        assert env.database(url)["HOST"] == "/run/pg"


def test_a_redis_url_may_name_a_socket():
    assert env.broker("unix:///run/v.sock") == "redis+socket:///run/v.sock"
    assert env.broker("rediss://h:6379/0") == "rediss://h:6379/0"
    with pytest.raises(ImproperlyConfigured):
        env.broker("amqp://h")


def test_credential_keys_rotate(monkeypatch):
    from cryptography.fernet import Fernet

    keys = [Fernet.generate_key().decode() for _ in range(2)]
    monkeypatch.setenv("KEYS", " , ".join(keys))
    assert env.fernet_keys(env.words("KEYS")) == keys
