"""Where the two demo apps are and who signs in to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: Databases and roles begin with it; tests use names of their own.
BASE: Final = "tandem_demo"

_HOW: Final = (
    "The demo's two apps need a PostgreSQL superuser to create their databases and roles: "
    "set TANDEM_ADMIN_URL=postgresql://user:password@host:5432/postgres."
)


class DemoProblem(Exception):
    """The demo cannot be set up; the text is a sentence for the person who typed the command."""


@dataclass(frozen=True)
class App:
    """One demo app: its database and its three roles.

    The owner owns everything and cannot sign in; people sign in as ``people`` and the app says who of them it is
    (``app.user``); Tandem signs in as ``integration``, an ordinary role with its own grants.
    """

    kind: str  # "erp" or "crm"
    base: str
    admin: str  # a superuser's connection string; only its server is used by people and integration

    @property
    def database(self) -> str:
        return f"{self.base}_{self.kind}"

    @property
    def owner(self) -> str:
        return f"{self.database}_owner"

    @property
    def people(self) -> str:
        return f"{self.database}_people"

    @property
    def integration(self) -> str:
        return f"{self.database}_integration"

    def password(self, role: str) -> str:
        """The role's password: fixed for this installation, told by its secret key."""
        digest = hmac.new(settings.SECRET_KEY.encode(), f"demo {role}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest)[:24].decode()

    def as_admin(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(make_conninfo(self.admin, dbname=self.database), **options)

    def as_role(self, role: str, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(
            make_conninfo(self.admin, dbname=self.database, user=role, password=self.password(role)),
            **options,
        )

    @contextmanager
    def person(self, name: str) -> Iterator[psycopg.Connection[Any]]:
        """A session of one person of this app, saved when the block ends: his name stands in *modified by*."""
        with self.as_role(self.people) as connection:
            connection.execute("SELECT set_config('app.user', %s, false)", [name])
            yield connection

    @property
    def server(self) -> dict[str, Any]:
        """Host and port, as the connection of Tandem asks for them."""
        parts = conninfo_to_dict(self.admin)
        return {"host": parts.get("host") or "localhost", "port": int(str(parts.get("port") or 5432))}


@dataclass(frozen=True)
class Apps:
    """Both demo apps."""

    erp: App
    crm: App

    @classmethod
    def at(cls, admin: str, base: str = BASE) -> Apps:
        return cls(App("erp", base, admin), App("crm", base, admin))

    @classmethod
    def of_environment(cls) -> Apps:
        """The apps of the running demo. Raises DemoProblem where no server is named."""
        admin = os.environ.get("TANDEM_ADMIN_URL", "").strip()
        if not admin:
            raise DemoProblem(_HOW)
        return cls.at(admin)

    def __iter__(self) -> Iterator[App]:
        return iter((self.erp, self.crm))
