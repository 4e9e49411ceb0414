"""Services: the two embedded servers of one profile, as a context."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg.conninfo import make_conninfo

from tandem.runtime.places import CLONE, Places, forget, forget_servers, places
from tandem.runtime.postgres import ADMIN, Postgres
from tandem.runtime.valkey import Valkey

VARIABLES = ("DATABASE_URL", "REDIS_URL")
QUICK_PROFILES = ("test", "check")


class Services:
    """PostgreSQL and Valkey for one profile.

        with Services(profile="test") as services:
            subprocess.run([...], env=os.environ | services.environment)

    Set DATABASE_URL or REDIS_URL in the environment and that server is not started: yours is used. A
    server that already runs for this profile is used as it is; only the one who started it stops it.
    Raises RuntimeProblem, whose text is a sentence for the person who typed the command.
    """

    def __init__(self, profile: str = "demo", root: Path = CLONE) -> None:
        self.profile = profile
        self.root = root
        self.started: list[str] = []
        self._given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
        self._places: Places | None = None
        self._postgres: Postgres | None = None
        self._valkey: Valkey | None = None

    @property
    def places(self) -> Places:
        """The folders of the profile; made when first asked for."""
        if self._places is None:
            self._places = places(self.profile, self.root)
        return self._places

    @property
    def database_url(self) -> str:
        return self._given.get("DATABASE_URL") or self._server().url()

    @property
    def redis_url(self) -> str:
        return self._given.get("REDIS_URL") or Valkey(self.places).url

    def admin_dsn(self, dbname: str = "postgres") -> str:
        """A superuser's connection string for a database of the embedded server.

        With a DATABASE_URL of your own: TANDEM_ADMIN_URL, else DATABASE_URL itself, with this database.
        """
        if "DATABASE_URL" in self._given:
            return make_conninfo(
                os.environ.get("TANDEM_ADMIN_URL") or self._given["DATABASE_URL"], dbname=dbname
            )
        return self._server().dsn(dbname, user=ADMIN)

    @property
    def environment(self) -> dict[str, str]:
        """What a child process needs: the two addresses, and this clone's own keys unless given."""
        keys = {
            "TANDEM_SECRET_KEY": lambda: self.places.secret("secret-key", lambda: secrets.token_urlsafe(50)),
            "TANDEM_CREDENTIAL_KEYS": lambda: self.places.secret("credential-keys", _fernet_key),
        }
        found = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        found |= {name: os.environ.get(name) or make() for name, make in keys.items()}
        if os.environ.get("TANDEM_ADMIN_URL") or "DATABASE_URL" not in self._given:
            found["TANDEM_ADMIN_URL"] = self.admin_dsn()
        if "DATABASE_URL" not in self._given:  # the id beside the data is forgotten with the data
            default = str(self.places.state / "instance")
            found["TANDEM_INSTANCE_FILE"] = os.environ.get("TANDEM_INSTANCE_FILE") or default
        return found

    def start(self) -> "Services":
        """Starts what is not given and does not run. Whoever starts second waits for the first."""
        if len(self._given) == len(VARIABLES):
            return self
        with self._alone():
            try:
                if "DATABASE_URL" not in self._given:
                    self._clear_after_another_clone()
                    self._postgres = self._server()
                    if self._postgres.start():
                        self.started.append("PostgreSQL")
                if "REDIS_URL" not in self._given:
                    self._valkey = Valkey(self.places)
                    if self._valkey.start():
                        self.started.append("Valkey")
            except BaseException:
                self.stop()
                raise
            self._write_connection_file()
        return self

    def stop(self) -> None:
        """Stops what `start` started."""
        for server in (self._valkey, self._postgres):
            if server is not None:
                server.stop()
        if self.started:
            self.places.connection_file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.places.sockets.rmdir()
            self._places = self._postgres = self._valkey = None
        self.started = []

    def reset(self) -> None:
        """Stops the profile's servers, whoever started them, and forgets its data."""
        with self._alone():
            Valkey(self.places).stop_any()
            self._server().stop_any()
            forget(self.profile, self.root)
            self._places = None

    def __enter__(self) -> "Services":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _clear_after_another_clone(self) -> None:
        """As root the data is outside the clone. Data without its password, which is inside, belonged to a clone that was
        deleted and made again at this path: nobody can open it, and this clone starts afresh."""
        found = self.places
        if found.servers == found.state or (found.state / f"password-{ADMIN}").exists():
            return
        if any(found.servers.iterdir()):
            Valkey(found).stop_any()
            self._server().stop_any()
            self._postgres = None
            forget_servers(found)

    def _server(self) -> Postgres:
        if self._postgres is None:
            self._postgres = Postgres(self.places, durable=not self.profile.startswith(QUICK_PROFILES))
        return self._postgres

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One start or reset per clone at a time (also guards the copy of the binaries)."""
        lock = self.places.state.parent / "lock"
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _write_connection_file(self) -> None:
        """For `manage.py` in another terminal: how to reach these servers. 0600."""
        path = self.places.connection_file
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self.environment, file)
        draft.replace(path)


def attach(profile: str = "demo", root: Path = CLONE) -> dict[str, str] | None:
    """The environment of this clone's running services, or None if they do not run.

    Reads only; starts nothing, makes no folder.
    """
    path = root / ".tandem" / profile / "connection.json"
    try:
        environment: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    try:
        with psycopg.connect(environment["DATABASE_URL"], connect_timeout=2):
            return environment
    except (psycopg.Error, KeyError):
        return None


def _fernet_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()
