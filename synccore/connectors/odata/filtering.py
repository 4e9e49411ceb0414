"""A mapping's filter in the language of ``$filter``: a superset of what it means, refined by the caller.

Never narrower than the filter, since a record left out by the service is missed. So what a service may judge otherwise than
we do is widened or left to us: text is compared by collations that know no case, ``ne`` on text would lose what differs
in case only, and a moment may have more digits than we read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import quote
from uuid import UUID

from synccore.connectors.filtering import bad_filter, condition_values
from synccore.connectors.odata.model import ENUM, Entity, Property
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.values import literal
from synccore.shapes import Condition, FieldInfo, FieldType, Filter, Operator, Value

#: Text of a condition, and whether it means exactly the condition; "" leaves the whole of it to us.
Rendered = tuple[str, bool]
_OURS: Final[Rendered] = ("", False)

#: What else stands in an address beside the filter: the root, the order, the moment to start at, and what a service adds
#: to it in a link to the next page.
_REST: Final = 800
#: A property of such a name cannot be told from the value in a filter.
_VALUES: Final = frozenset({"null", "true", "false", "INF", "NaN"})
_SYMBOLS: Final = {Operator.LT: "lt", Operator.LE: "le", Operator.GT: "gt", Operator.GE: "ge"}
_NUMBERS: Final = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT})
_TIMED: Final = frozenset({FieldType.INSTANT, FieldType.DATETIME, FieldType.TIME})
#: What stands unencoded in the query of an address; all else, ``+ & # %`` among it, is encoded once.
_IN_QUERY: Final = "'(),:@!*$=-._~;/"


def query(options: Mapping[str, str]) -> str:
    """Query options as they stand in an address, percent-encoded once; those that are "" are left out."""
    return "&".join(f"{name}={encoded(value)}" for name, value in options.items() if value)


def encoded(text: str) -> str:
    """The value of a query option, or a part of one, percent-encoded."""
    return quote(text, safe=_IN_QUERY)


def render(entity: Entity, filter: Filter, profile: Profile) -> tuple[str, bool]:
    """The text of ``$filter`` ("" for none) that gives at least the filter's records, and whether exactly those.

    Conditions for which an address has no room are left to the caller. Not yet percent-encoded: :func:`query` does that.

    Raises:
        Misconfigured: ``bad_filter {table, field, reason}``, also for a field that is gone (``unknown_field``).
    """
    texts: list[str] = []
    exact = True
    for condition in filter:
        property = entity.properties.get(condition.field)
        if property is None:
            raise bad_filter(entity.set_name, condition.field, "unknown_field")
        text, whole = _Condition(entity, property, condition, profile).render()
        has_room = len(encoded(" and ".join([*texts, text]))) <= profile.address_max - _REST
        exact = exact and whole and has_room
        if text and has_room:
            texts.append(text)
    return " and ".join(texts), exact


class _Condition:
    """One condition on its way into a text."""

    def __init__(self, entity: Entity, property: Property, condition: Condition, profile: Profile) -> None:
        self.property, self.profile, self.operator = property, profile, condition.operator
        self.info: FieldInfo = property.info
        self.path = property.read_path
        self.values = condition_values(entity.set_name, condition, property.info)
        #: A text, not the member of an enumeration.
        self.is_text = property.info.type is FieldType.TEXT and property.edm != ENUM

    def render(self) -> Rendered:
        if self.info.type is FieldType.BINARY or self.property.edm == "Edm.Duration" or self.path in _VALUES:
            return _OURS
        if self.property.bind is not None and self.property.bind.shared:
            return self._shared()
        match self.operator:
            case Operator.EMPTY:
                return self._empty()
            case Operator.NOT_EMPTY:
                return self._not_empty()
            case Operator.EQ | Operator.IN:
                return self._among()
            case Operator.NE | Operator.NOT_IN:
                return self._none_of()
            case Operator.STARTS_WITH:
                return self._starts_with()
        return self._ordered(self.values[0])

    def _shared(self) -> Rendered:
        """A lookup into several tables: the value alone does not say of which, so only a given id narrows."""
        if self.operator in (Operator.EQ, Operator.IN) and None not in self.values:
            return self._among()[0], False
        return _OURS

    # -- empty ---------------------------------------------------------------------------------------------------------

    def _has_null(self) -> bool:
        """Whether the service knows null for this field; otherwise it has the profile's blank values."""
        return self.profile.blank_text is None and self.property.nullable

    def _empty(self) -> Rendered:
        if self._has_null():
            if self.is_text and not self.profile.empty_text_is_null:
                return f"({self.path} eq null or {self.path} eq '')", False
            return f"{self.path} eq null", not self.is_text
        if self.property.edm == ENUM:
            return _OURS  # a service may refuse its own blank member in a filter
        if self.is_text:
            return f"{self.path} eq ''", False
        if self._has_blank():
            return f"{self.path} eq {self._literal(None)}", True
        return _OURS

    def _not_empty(self) -> Rendered:
        # A text of blanks equals "" where a database pads; it is not empty to us.
        if self._has_null():
            return f"{self.path} ne null", not self.is_text
        if self._has_blank():
            return f"{self.path} ne {self._literal(None)}", True
        return _OURS

    def _has_blank(self) -> bool:
        """Whether a GUID or date of its own means "none"."""
        kind, profile = self.info.type, self.profile
        return (kind is FieldType.GUID and profile.blank_guid is not None) or (
            kind is FieldType.DATE and profile.blank_date is not None
        )

    # -- equal ---------------------------------------------------------------------------------------------------------

    def _among(self) -> Rendered:
        wanted = [value for value in self.values if value is not None]
        if len(wanted) > self.profile.or_chain or not self.values:
            return _OURS
        parts, exact = [], True
        if len(wanted) < len(self.values):
            text, exact = self._empty()
            if not text:
                return _OURS
            parts.append(text)
        for value in wanted:
            text, whole = self._equal(value)
            if not text:
                return _OURS
            parts.append(text)
            exact = exact and whole
        if len(parts) == 1:
            return parts[0], exact
        return f"({' or '.join(parts)})", exact

    def _equal(self, value: Value) -> Rendered:
        if not self._is_sayable(value):
            return _OURS
        if self.info.type in _TIMED:
            low, high = self._unit(value)
            if high is None:
                return f"{self.path} ge {self._literal(low)}", False
            return f"({self.path} ge {self._literal(low)} and {self.path} lt {self._literal(high)})", False
        if self.info.type is FieldType.FLOAT and self.info.precision == 24:
            return _OURS  # a single is widened before it is compared with a number of more digits
        return f"{self.path} eq {self._literal(value)}", not self.is_text

    def _none_of(self) -> Rendered:
        wanted = [value for value in self.values if value is not None]
        if not wanted:
            return self._not_empty() if self.values else _OURS
        # Text that differs in case only differs to us, not to every service.
        if self.is_text or len(wanted) > self.profile.or_chain or not all(map(self._is_sayable, wanted)):
            return _OURS
        if self.info.type in _TIMED and any(self._unit(value)[0] != value for value in wanted):
            return _OURS
        each = " and ".join(f"{self.path} ne {self._literal(value)}" for value in wanted)
        exact = self.info.type not in _TIMED and not self._is_single()
        if None in self.values:
            empty, whole = self._not_empty()
            return (f"{empty} and {each}" if empty else each), exact and whole and bool(empty)
        if not self._has_null():
            return each, exact
        text = f"({each})" if len(wanted) > 1 else each
        return f"({text} or {self.path} eq null)", exact

    def _is_single(self) -> bool:
        return self.info.type is FieldType.FLOAT and self.info.precision == 24

    # -- ordered -------------------------------------------------------------------------------------------------------

    def _starts_with(self) -> Rendered:
        value = self.values[0]
        if not self.is_text or not isinstance(value, str):
            return _OURS
        # Wildcards of the database behind it may count: one that widens is harmless, a set of characters is not.
        start = value.partition("[")[0]
        if not start or not self._is_sayable(start):
            return _OURS
        return f"startswith({self.path},{self._literal(start)})", False

    def _ordered(self, value: Value) -> Rendered:
        symbol = _SYMBOLS[self.operator]
        if not self._is_sayable(value):
            return _OURS
        if self.info.type in _TIMED:
            return self._ordered_in_time(value)
        if self.info.type is FieldType.DATE:
            # What has no date comes first where a date means none; it is in no order to us.
            return f"{self.path} {symbol} {self._literal(value)}", self._has_null()
        if self.info.type is FieldType.FLOAT:
            # Above every number to us; in no order to the standard.
            sayable = self.operator in (Operator.LT, Operator.LE) and not self._is_single()
            return (f"{self.path} {symbol} {self._literal(value)}", False) if sayable else _OURS
        if self.info.type in _NUMBERS:
            return f"{self.path} {symbol} {self._literal(value)}", True
        return _OURS  # text, members and GUIDs are in an order of the service's own

    def _ordered_in_time(self, value: Value) -> Rendered:
        low, high = self._unit(value)
        match self.operator:
            case Operator.LT if low == value:
                return f"{self.path} lt {self._literal(value)}", False
            case Operator.LT | Operator.LE:
                return (f"{self.path} lt {self._literal(high)}", False) if high is not None else _OURS
            case Operator.GT if low == value:
                return f"{self.path} gt {self._literal(value)}", False
        return f"{self.path} ge {self._literal(low)}", False

    def _unit(self, value: Value) -> tuple[Value, Value]:
        """First moment that is read as ``value``, and the first that no longer is (None where there is none)."""
        assert isinstance(value, datetime | time)
        step = 10 ** (6 - self.info.fraction)
        low = value.replace(microsecond=value.microsecond - value.microsecond % step)
        try:
            if isinstance(low, datetime):
                return low, low + timedelta(microseconds=step)
            later = datetime.combine(datetime.min, low) + timedelta(microseconds=step)
        except OverflowError:
            return low, None
        return low, later.time() if later.date() == datetime.min.date() else None

    # -- values --------------------------------------------------------------------------------------------------------

    def _is_sayable(self, value: Value) -> bool:
        """Whether the service takes the value in a filter on this field: inside its range, one of its members, and none
        that means "none" to it."""
        if isinstance(value, float | Decimal):
            return math.isfinite(value)
        if isinstance(value, int) and self.info.type is FieldType.INTEGER and self.info.precision is not None:
            bound = 1 << (self.info.precision - 1)
            return (0 if self.property.edm == "Edm.Byte" else -bound) <= value < bound
        if isinstance(value, UUID):
            return value.int != 0
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat() != self.profile.blank_date
        if self.property.edm == ENUM:
            return value in self.property.members.values() and value != ""
        if isinstance(value, str):
            return self.info.length is None or len(value) <= self.info.length
        return True

    def _literal(self, value: Value) -> str:
        return literal(self.property, value, self.profile)
