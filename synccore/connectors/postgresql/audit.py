"""Set-up checks of a PostgreSQL database: what its catalogue says about the role that signs in. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from synccore.connectors.postgresql.database import Database
from synccore.failures import Failure, Misconfigured, Scope
from synccore.shapes import CheckState, Finding, TableUse

#: A password that ends sooner than this is worth a word.
SOON: Final = timedelta(days=14)

#: The role as everybody may see it (``pg_roles`` shows no password). A member of a superuser can become one.
_ROLE: Final = """
    SELECT r.rolsuper AS super,
           ARRAY(SELECT m.rolname::text FROM pg_roles m
                  WHERE m.rolsuper AND m.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, m.oid, 'MEMBER')
                  ORDER BY 1) AS through,
           array_remove(ARRAY[CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
                              CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
                              CASE WHEN r.rolreplication THEN 'REPLICATION' END,
                              CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END], NULL) AS more
      FROM pg_roles r WHERE r.rolname = session_user"""

_PASSWORD: Final = """
    SELECT CASE WHEN isfinite(r.rolvaliduntil)
                THEN extract(epoch FROM r.rolvaliduntil - clock_timestamp())::float8 END AS seconds,
           CASE WHEN isfinite(r.rolvaliduntil)
                THEN to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') END AS until,
           coalesce(r.rolvaliduntil = '-infinity', false) AS never
      FROM pg_roles r WHERE r.rolname = session_user"""

#: A superuser is a member of every role, which says nothing: of him only what he owns himself.
_OWNED: Final = """
    SELECT c.relname::text AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = session_user
     WHERE n.nspname = %s AND c.relname = ANY(%s)
       AND (c.relowner = r.oid OR NOT r.rolsuper AND pg_has_role(r.oid, c.relowner, 'MEMBER'))
     ORDER BY 1"""


def audit(database: Database, uses: Sequence[TableUse]) -> list[Finding]:
    """See ``Connector.audit``. A question that the server refuses is left out, like one it does not answer."""
    found: list[Finding] = []
    names = list(dict.fromkeys(use.table.name for use in uses))
    for work in (
        lambda: _not_superuser(database),
        lambda: _password_valid(database),
        lambda: _not_owner(database, names),
    ):
        found += _ask(database, "", work)
    for use in uses:
        found += _ask(database, use.table.name, lambda use=use: _privileges(database, use))  # type: ignore[misc]
    return found


def _ask(database: Database, table: str, work: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return database.run(table, "read", lambda: list(work()))
    except Failure as failure:
        if failure.scope is Scope.CONNECTION:
            raise
        return []


def _not_superuser(database: Database) -> Iterator[Finding]:
    for row in database.session.query(_ROLE, ()):
        params: dict[str, Any] = {"user": database.session.user}
        if row.super or row.through:
            how = {"through": row.through} if row.through else {"grant": _ordinary(database.session.user)}
            yield Finding("not_superuser", CheckState.FAIL, {**params, **how})
        elif row.more:
            yield Finding("not_superuser", CheckState.WARN, {**params, "privilege": row.more})
        else:
            yield Finding("not_superuser", CheckState.PASS, params)


def _ordinary(user: str) -> str:
    """The statement that makes the account an ordinary one, ready to copy."""
    name = user.replace('"', '""')
    return f'ALTER ROLE "{name}" NOSUPERUSER;'


def _password_valid(database: Database) -> Iterator[Finding]:
    for row in database.session.query(_PASSWORD, ()):
        params: dict[str, Any] = {"user": database.session.user}
        if row.seconds is not None:
            params |= {"until": f"{row.until} UTC", "days": max(0, int(row.seconds // 86400))}
        if row.never or row.seconds is not None and row.seconds <= 0:
            yield Finding("password_valid", CheckState.FAIL, params)
        elif row.seconds is not None and row.seconds < SOON.total_seconds():
            yield Finding("password_valid", CheckState.WARN, params)
        else:
            yield Finding("password_valid", CheckState.PASS, params)


def _not_owner(database: Database, names: list[str]) -> Iterator[Finding]:
    owned = [row.name for row in database.session.query(_OWNED, (database.session.schema, names))]
    params = {"user": database.session.user, "tables": owned}
    yield Finding("not_owner", CheckState.FAIL if owned else CheckState.PASS, params)


def _privileges(database: Database, use: TableUse) -> Iterator[Finding]:
    table = use.table.name
    relation = database.relation(table)
    ref = use.table
    named = (
        relation.key,
        ref.modified_field,
        ref.modified_by_field,
        ref.key_field,
        ref.name_field,
        ref.owner_field,
    )
    fields = list(dict.fromkeys(each for each in (*named, *use.fields) if each))
    operations = ("read", "create", "update", "delete") if use.write else ("read",)
    missing: list[Misconfigured] = list(database.missing_rights(relation, operations, fields, use.written))
    params: dict[str, Any] = {"table": table, "user": database.session.user}
    if missing:
        params["privilege"] = [failure.params["privilege"] for failure in missing]
        params["grant"] = "\n".join(failure.params["grant"] for failure in missing)
    yield Finding("privileges", CheckState.FAIL if missing else CheckState.PASS, params, table)
