"""Missing rights, recognised in whatever language the service speaks: by what it does not translate.

Dataverse names the user's id and then a privilege (``prvWriteAccount``); Business Central names table, right and app in a
bracket (``(TableData 18 Customer Modify: Base Application)``). Nothing is claimed beyond what was matched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from synccore.connectors.odata.bodies import Told
from synccore.connectors.odata.meanings import Meaning, Situation
from synccore.failures import Misconfigured, Scope

_GUID: Final = r"\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?"
#: The principal and then a privilege; between them up to a few hundred characters about the principal.
PRIVILEGE: Final = re.compile(
    rf"\bId\s*=\s*(?P<user_id>{_GUID}).{{0,800}}?\b(?P<privilege>prv\w*)", re.IGNORECASE | re.DOTALL
)
_NAMED: Final = re.compile(r"\bprv[A-Z]\w*")
_ENTITY: Final = re.compile(r"\bentity '(?P<entity>\w{1,200})'", re.IGNORECASE)
_VERBS: Final = re.compile(
    r"prv(AppendTo|Append|Assign|Create|Delete|Read|Share|Write)(\w*)\Z", re.IGNORECASE
)
#: A right on a record of somebody else: ``AccessRights: WriteAccess``.
_ACCESS: Final = re.compile(
    r"\b(?P<right>Read|Write|AppendTo|Append|Create|Delete|Share|Assign)Access\b", re.IGNORECASE
)

#: Rights by what people do with them: the words that the guides translate (``synccore.guides.shape``).
_ACTIONS: Final[Mapping[str, str]] = {
    "read": "read", "write": "change", "create": "create", "delete": "delete", "append": "append", "appendto": "append_to",
    "assign": "assign", "share": "share",
    "insert": "create", "modify": "change", "execute": "execute",
    # As Business Central says them in Dutch and in Norwegian.
    "lezen": "read", "invoegen": "create", "wijzigen": "change", "verwijderen": "delete", "uitvoeren": "execute",
    "les": "read", "lese": "read", "sett inn": "create", "sette inn": "create", "innsetting": "create",
    "endre": "change", "endring": "change", "slett": "delete", "slette": "delete", "utfør": "execute", "kjør": "execute",
}  # fmt: skip
_RIGHT: Final = "|".join(sorted((re.escape(each) for each in _ACTIONS), key=len, reverse=True))
#: Since version 21: ``(TableData 18 Customer Modify: Base Application)``; the number is left out by some versions.
_BRACKET: Final = re.compile(
    rf"\((?P<kind>TableData|Table|Page|Codeunit|System)\s+(?:(?P<number>\d+)\s+)?(?P<entity>[^():]{{1,120}}?)\s+"
    rf"(?P<right>(?:Indirect)?(?:{_RIGHT}))\s*(?::(?P<source>[^()]{{0,200}}))?\)",
    re.IGNORECASE,
)
#: Before it: ``… on TableData Customer: Modify``, and the same in other languages.
_COLON: Final = re.compile(
    rf"\b(?P<kind>TableData|Table)\s+(?:(?P<number>\d+)\s+)?(?P<entity>[^():\n]{{1,120}}?)\s*:\s*"
    rf"(?P<right>(?:Indirect)?(?:{_RIGHT}))\b",
    re.IGNORECASE,
)


def of_dataverse(said: Told, now: Situation) -> Meaning | None:
    """A privilege that no security role gives, or access to one record; None where the words say neither."""
    named = PRIVILEGE.search(said.message)
    privilege = named["privilege"] if named else _first(_NAMED, said.message)
    if privilege:
        action, entity = _of_privilege(privilege)
        said_entity = _ENTITY.search(said.message)
        if said_entity and said_entity["entity"].casefold() != entity.casefold():
            entity = said_entity["entity"]  # else as the privilege spells it: "records of Account"
        params: dict[str, Any] = {
            "privilege": privilege if len(privilege) > 3 else "",
            "action": action,
            "holder": "security_role",
        }
        if named:
            params |= {"user_id": named["user_id"].strip("{}").lower(), "user": now.user or named["user_id"]}
        return _missing(params, entity, now)
    if access := _ACCESS.search(said.message):
        return record_access(_ACTIONS[access["right"].lower()])
    return None


def of_business_central(said: Told, now: Situation) -> Meaning | None:
    """A right on a table that no permission set gives; None where the words say none."""
    found = _BRACKET.search(said.message) or _COLON.search(said.message)
    if found is None:
        return None
    right = found["right"]
    action = _ACTIONS.get(re.sub(r"\AIndirect", "", right, flags=re.IGNORECASE).lower(), "")
    return _missing(
        {"privilege": right, "action": action, "holder": "permission_set"}, found["entity"].strip(), now
    )


def record_access(action: str) -> Meaning:
    """The rights of the role do not reach this record: it belongs to somebody else, or to another part of the company."""
    return Meaning(Misconfigured, "record_privilege", Scope.RECORD, params={"privilege": action})


def _missing(params: dict[str, Any], entity: str, now: Situation) -> Meaning:
    """On the table of the mapping it stops the mapping. On another one, which some records refer to, it may let the rest
    through, and the check of the mapping's table would never find it: then it is of the record."""
    is_own = not entity or not now.table or is_table(entity, now.table)
    params["table"] = now.table if is_own and now.table else entity
    if entity:
        params["entity"] = entity
    return Meaning(Misconfigured, "missing_privilege", Scope.TABLE if is_own else Scope.RECORD, params=params)


def _of_privilege(privilege: str) -> tuple[str, str]:
    """``prvWriteAccount`` → what it lets do, and to what."""
    found = _VERBS.match(privilege)
    return (_ACTIONS[found[1].lower()], found[2]) if found else ("", "")


def is_table(entity: str, table: str) -> bool:
    """Whether an entity (``account``, ``Customer``) is the table that a set's name (``accounts``, ``customers``) means."""
    one, many = (re.sub(r"[\W_]+", "", each).casefold() for each in (entity, table))
    return bool(one) and (
        many in (one, one + "s", one + "es") or one.endswith("y") and many == one[:-1] + "ies"
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found else ""
