"""An app's own errors, made known by a table in the connection's options.

A pattern: ``{"sqlstate": "TD001", "regex": "currency (?P<cur>\\w+)", "kind": "blocked", "code": "…",
"fields": {"cur": "value"}, "scope": "record"}``. ``sqlstate`` or ``regex`` or both; ``fields`` names the params that the
groups of the expression become; a dot matches line ends too. Patterns come before everything else the connector knows.

A regular expression comes from people and meets text from an app, so its work is bounded: only the first 1,000
characters of a message are looked at, unbounded repeats may not stand inside one another, and there are at most three.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from synccore.failures import CLASSES, Failure, Kind, Misconfigured, Scope

#: Characters of a message that an expression is matched against.
LOOKED_AT: Final = 1_000
_MOST_REPEATS: Final = 3
#: A repeat allowed more often than this counts as unbounded.
_BOUNDED: Final = 32
_KINDS: Final = frozenset({Kind.TRANSIENT, Kind.BLOCKED, Kind.REJECTED, Kind.MISCONFIGURED})
_NAMES: Final = frozenset({"sqlstate", "regex", "kind", "code", "fields", "scope"})
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,63}\Z")
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}\Z")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One recognised error of an app."""

    kind: Kind
    code: str
    sqlstate: str | None
    regex: re.Pattern[str] | None
    fields: Mapping[str, str]
    scope: Scope | None

    def recognise(self, sqlstate: str, message: str, params: Mapping[str, Any]) -> Failure | None:
        """The failure this error stands for, ``params`` completed by the groups; None where it is another error."""
        if self.sqlstate is not None and self.sqlstate != sqlstate:
            return None
        found: dict[str, Any] = {}
        if self.regex is not None:
            match = self.regex.search(message[:LOOKED_AT])
            if match is None:
                return None
            found = {name: match[group] or "" for group, name in self.fields.items()}
        return CLASSES[self.kind](self.code, {**params, **found}, app_message=message, scope=self.scope)


def read_patterns(data: Any) -> tuple[Pattern, ...]:
    """The patterns of a connection's options.

    Raises:
        Misconfigured: ``bad_pattern {number, part, reason}`` (scope connection); ``number`` counts from 1, ``reason`` is
            one of ``wrong_shape``, ``unknown``, ``required``, ``not_a_choice``, ``bad_regex``, ``may_take_for_ever``,
            ``no_such_group``.
    """
    if data in (None, ""):
        return ()
    if not isinstance(data, list):
        raise _bad(0, "", "wrong_shape")
    return tuple(_pattern(number, each) for number, each in enumerate(data, 1))


def _pattern(number: int, data: Any) -> Pattern:
    if not isinstance(data, Mapping):
        raise _bad(number, "", "wrong_shape")
    for name in data:
        if name not in _NAMES:
            raise _bad(number, str(name), "unknown")
    try:
        kind = Kind(str(data.get("kind")))
    except ValueError:
        raise _bad(number, "kind", "not_a_choice") from None
    if kind not in _KINDS:
        raise _bad(number, "kind", "not_a_choice")
    code = data.get("code")
    if not isinstance(code, str) or not _CODE.match(code):
        raise _bad(number, "code", "required" if not code else "wrong_shape")
    sqlstate, text = data.get("sqlstate") or None, data.get("regex") or None
    if sqlstate is None and text is None:
        raise _bad(number, "sqlstate", "required")
    if sqlstate is not None and not (isinstance(sqlstate, str) and _SQLSTATE.match(sqlstate)):
        raise _bad(number, "sqlstate", "wrong_shape")
    try:
        scope = Scope(data["scope"]) if data.get("scope") else None
    except ValueError:
        raise _bad(number, "scope", "not_a_choice") from None
    regex = _compile(number, text) if text is not None else None
    fields = data.get("fields") or {}
    if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields.values()):
        raise _bad(number, "fields", "wrong_shape")
    for group in fields:
        if regex is None or group not in regex.groupindex:
            raise _bad(number, str(group), "no_such_group")
    return Pattern(kind, code, sqlstate, regex, dict(fields), scope)


def _compile(number: int, text: Any) -> re.Pattern[str]:
    if not isinstance(text, str):
        raise _bad(number, "regex", "wrong_shape")
    try:
        compiled = re.compile(text, re.DOTALL)
        tree = re._parser.parse(text)  # type: ignore[attr-defined]
    except (re.error, RecursionError, OverflowError) as error:
        raise _bad(number, "regex", "bad_regex", detail=str(error)) from None
    if _repeats(tree) > _MOST_REPEATS:
        raise _bad(number, "regex", "may_take_for_ever")
    return compiled


def _repeats(tree: Iterable[Any]) -> int:
    """How many unbounded repeats an expression has; one around a repeat or a choice counts as too many."""
    count = 0
    for operator, argument in tree:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            _, most, body = argument
            inside = _repeats(body)
            if int(most) <= _BOUNDED:
                count += inside * int(most)
            else:
                count += _MOST_REPEATS + 1 if inside or _has_choice(body) else 1
        else:
            count += sum(_repeats(part) for part in _parts(argument))
    return count


def _has_choice(tree: Iterable[Any]) -> bool:
    return any(
        str(operator) == "BRANCH" or any(_has_choice(part) for part in _parts(argument))
        for operator, argument in tree
    )


def _parts(argument: Any) -> list[Any]:
    """The expressions inside an operator's argument, however it nests them."""
    if isinstance(argument, re._parser.SubPattern):  # type: ignore[attr-defined]
        return [argument]
    if isinstance(argument, tuple | list):
        return [part for each in argument for part in _parts(each)]
    return []


def _bad(number: int, part: str, reason: str, **params: Any) -> Misconfigured:
    return Misconfigured(
        "bad_pattern", {"number": number, "part": part, "reason": reason, **params}, scope=Scope.CONNECTION
    )
