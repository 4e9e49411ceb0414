"""Set-up checks that Dataverse can answer: who we are there, our roles and privileges, what is left of our quota, and what
the mapped tables are set to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from synccore.connectors.odata import metadata
from synccore.connectors.odata.client import Answer, Client, Request
from synccore.connectors.odata.json_answers import object_of, rows_of
from synccore.connectors.odata.model import Entity
from synccore.failures import Failure, Misconfigured, Scope
from synccore.shapes import CheckState, Finding, TableUse

#: The same in every environment, whatever a role is called there.
_SYSTEM_ADMINISTRATOR: Final = "627090ff-40a3-4053-8790-584edc5be201"
_SYSTEM_CUSTOMIZER: Final = "119f245c-3cc8-4b62-b31c-d1a046ced15d"
_NAMES: Final = {"system administrator": _SYSTEM_ADMINISTRATOR, "system customizer": _SYSTEM_CUSTOMIZER}
#: ``accessmode`` of accounts that may work with records: read-write, non-interactive.
_WORKS: Final = (0, 4)
#: Whom the lookup of a record's owner points to: a user or a team.
_OWNER: Final = "principal"
#: Less than this share of what an account may do in five minutes is worth a word.
_FEW_REQUESTS: Final = 600
_FEW_SECONDS: Final = 120
_LEFT: Final = "x-ms-ratelimit-burst-remaining-xrm-requests"
_LEFT_TIME: Final = "x-ms-ratelimit-time-remaining-xrm-requests"
#: Which depths let a right reach every record.
_ALL: Final = "global"


def audit_dataverse(client: Client, uses: Sequence[TableUse]) -> Iterator[Finding]:
    """Findings, the surest first; one that Dataverse refuses ends it, and the rest was not told. Raises Failure."""
    me = _Me(client)
    yield from me.account()
    yield from me.quota()
    yield Finding("secret_valid", CheckState.UNKNOWN, {})
    rights = me.rights()
    for use in uses:
        try:
            entity = metadata.entity(client, use.table.name)
        except Misconfigured as failure:
            if failure.scope is Scope.CONNECTION:
                raise
            continue  # the check of the tables says that it is not there
        yield from _table(entity, use)
        if rights is not None:
            yield from me.privileges(entity, use, rights)


class _Me:
    """The integration user as Dataverse knows it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.headers: Mapping[str, str] = {}
        self.id = str(object_of(client, self._get("WhoAmI", "connect")).get("UserId") or "")
        self.name = client.situation("read").user
        self.is_administrator: bool | None = None
        self._known: dict[str, list[dict[str, Any]]] = {}

    def account(self) -> Iterator[Finding]:
        # Who is let in exists and is enabled; the rest may be hidden from an account with few rights.
        yield Finding("user_exists", CheckState.PASS, {"user": self.name})
        user = self._maybe(f"systemusers({self.id})?$select=fullname,isdisabled,accessmode")
        facts = object_of(self.client, user) if user else {}
        self.name = str(facts.get("fullname") or self.name)
        disabled = facts.get("isdisabled") is True
        yield Finding("user_enabled", CheckState.FAIL if disabled else CheckState.PASS, {"user": self.name})
        if isinstance(mode := facts.get("accessmode"), int):
            state = CheckState.PASS if mode in _WORKS else CheckState.FAIL
            yield Finding("user_access_mode", state, {"user": self.name})
        yield from self._roles()
        if self.is_administrator is False:
            # Only administrators are let in while it is on.
            yield Finding("admin_mode_off", CheckState.PASS, {})

    def _roles(self) -> Iterator[Finding]:
        answer = self._maybe(
            f"systemusers({self.id})/systemuserroles_association?$select=name,_roletemplateid_value"
        )
        answer = answer or self._maybe(f"systemusers({self.id})/systemuserroles_association?$select=name")
        if answer is None:
            return
        rows, _said = rows_of(self.client, answer)
        templates = {_template(row): str(row.get("name") or "") for row in rows}
        self.is_administrator = _SYSTEM_ADMINISTRATOR in templates
        params: dict[str, Any] = {"user": self.name, "roles": [str(row.get("name") or "") for row in rows]}
        if self.is_administrator:
            yield Finding("not_superuser", CheckState.FAIL, params)
        elif _SYSTEM_CUSTOMIZER in templates:
            named = templates[_SYSTEM_CUSTOMIZER]
            yield Finding("not_superuser", CheckState.WARN, {**params, "privilege": named})
        else:
            yield Finding("not_superuser", CheckState.PASS, params)

    def quota(self) -> Iterator[Finding]:
        requests, seconds = _number(self.headers.get(_LEFT)), _number(self.headers.get(_LEFT_TIME))
        if requests is None:
            return
        few = requests < _FEW_REQUESTS or seconds is not None and seconds < _FEW_SECONDS
        params = {"requests": requests, "seconds": "" if seconds is None else seconds}
        yield Finding("quota_left", CheckState.WARN if few else CheckState.PASS, params)

    def rights(self) -> dict[str, str] | None:
        """Depth by privilege, names and ids in lower case; None where they are not told."""
        answer = self._maybe(f"systemusers({self.id})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges")
        told = object_of(self.client, answer).get("RolePrivileges") if answer else None
        if not isinstance(told, list) or not told:
            return None
        found: dict[str, str] = {}
        for each in told:
            depth = str(each.get("Depth") or "").lower() if isinstance(each, dict) else ""
            for name in ("PrivilegeName", "PrivilegeId"):
                word = str(each.get(name) or "").lower() if isinstance(each, dict) else ""
                if word and found.get(word) != _ALL:
                    found[word] = depth
        return found

    def privileges(self, entity: Entity, use: TableUse, rights: Mapping[str, str]) -> Iterator[Finding]:
        """Every right that reading, writing and the lookups among the written fields need."""
        wanted = ["Read"] + (["Create", "Write", "Delete"] if use.write else [])
        lookups = [
            bind.target
            for name in use.written
            if (found := entity.properties.get(name)) and (bind := found.bind)
        ]
        if _OWNER in lookups:  # a record is assigned to its owner, not appended to him
            wanted.append("Assign")
            lookups = [target for target in lookups if target != _OWNER]
        needed = {
            each: self._named(entity.logical_name, each) for each in wanted + ["Append"] * bool(lookups)
        }
        for target in dict.fromkeys(lookups):
            needed[f"AppendTo {target}"] = self._named(target, "AppendTo")
        params: dict[str, Any] = {"table": use.table.name, "user": self.name}
        missing = [name for name, id in needed.values() if name.lower() not in rights and id not in rights]
        shallow = [
            name
            for name, id in needed.values()
            if (rights.get(name.lower()) or rights.get(id) or _ALL) != _ALL
        ]
        if missing:
            yield Finding(
                "privileges",
                CheckState.FAIL,
                {**params, "privilege": missing, "holder": "security_role"},
                use.table.name,
            )
        else:
            state = CheckState.WARN if shallow else CheckState.PASS
            yield Finding("privileges", state, {**params, "privilege": shallow}, use.table.name)

    def _named(self, logical_name: str, right: str) -> tuple[str, str]:
        """The privilege for this right on an entity: its name, and its id where the definitions tell it. Names are made of
        the right and the entity, but for a few."""
        name, id = f"prv{right}{logical_name}", ""
        for each in self._privileges_of(logical_name):
            if each.get("PrivilegeType") == right and each.get("Name"):
                name, id = str(each["Name"]), str(each.get("PrivilegeId") or "").lower()
        return name, id

    def _privileges_of(self, logical_name: str) -> list[dict[str, Any]]:
        if logical_name not in self._known:
            path = f"EntityDefinitions(LogicalName='{quote(logical_name, safe='')}')?$select=LogicalName,Privileges"
            answer = self._maybe(path)
            told = object_of(self.client, answer).get("Privileges") if answer else None
            rows = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
            self._known[logical_name] = rows
        return self._known[logical_name]

    # -- asking --------------------------------------------------------------------------------------------------------

    def _get(self, path: str, operation: str = "read") -> Answer:
        answer = self.client.send(Request("GET", path), operation=operation)
        if _LEFT in answer.headers:
            self.headers = answer.headers
        return answer

    def _maybe(self, path: str) -> Answer | None:
        """None where the service refuses to say it."""
        try:
            return self._get(path)
        except Failure as failure:
            if failure.scope is Scope.CONNECTION:
                raise
            return None


def _table(entity: Entity, use: TableUse) -> Iterator[Finding]:
    table = use.table.name
    tracked = CheckState.PASS if entity.tracks_changes else CheckState.WARN
    yield Finding("tracks_changes", tracked, {"table": table}, table)
    if use.write:
        safe = CheckState.PASS if entity.versioned else CheckState.FAIL
        yield Finding("safe_writes", safe, {"table": table}, table)


def _template(role: Mapping[str, Any]) -> str:
    found = str(role.get("_roletemplateid_value") or "").lower()
    return found or _NAMES.get(str(role.get("name") or "").lower(), "")


def _number(text: str | None) -> int | None:
    """``1,199.00`` → 1199."""
    try:
        return int(float((text or "").replace(",", "")))
    except (ValueError, OverflowError):
        return None
