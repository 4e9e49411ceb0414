"""What a PostgreSQL database says about its tables: five catalogue queries, read into :class:`Relation`.

Keys: a primary key of one column, else a unique NOT NULL column; a table whose only key has several columns has
``id_field`` None and is refused when it is read (``no_key``). Views have the key that the connection's option ``views``
names. Domains are resolved to their base type.

Types without a counterpart in :class:`FieldType` (json, arrays, intervals, network addresses, ranges …) are TEXT, read
through the type's own text form, and read-only. An enumeration is TEXT and may be written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from synccore.connectors.postgresql.session import Session
from synccore.connectors.postgresql.sql import cast_name, quote
from synccore.shapes import FieldInfo, FieldType, KeyKind, TableInfo

_COLUMNS: Final = """
    SELECT c.oid::int8 AS relation, c.relname AS name, c.relkind::text AS kind,
           coalesce(obj_description(c.oid, 'pg_class'), '') AS label,
           has_table_privilege(c.oid, 'SELECT') AS whole, pg_relation_is_updatable(c.oid, true) AS updatable,
           a.attnum, a.attname, a.atttypid::int8 AS type, a.atttypmod AS typmod,
           format_type(a.atttypid, a.atttypmod) AS native, a.attnotnull AS notnull, a.atthasdef AS hasdef,
           a.attgenerated::text AS generated, a.attidentity::text AS identity,
           coalesce(col_description(c.oid, a.attnum), '') AS comment,
           has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable,
           has_column_privilege(c.oid, a.attnum, 'INSERT') OR has_column_privilege(c.oid, a.attnum, 'UPDATE')
               AS granted,
           c.relkind IN ('r', 'p') OR pg_column_is_updatable(c.oid, a.attnum, true) AS assignable,
           coalesce(l.collisdeterministic, true) AS deterministic
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_collation l ON l.oid = a.attcollation
     WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
       AND (%(names)s::text[] IS NULL OR c.relname = ANY(%(names)s::text[]))
     ORDER BY c.relname, a.attnum"""

_TYPES: Final = """
    SELECT oid::int8 AS oid, typtype::text AS kind, typbasetype::int8 AS base, typtypmod AS typmod,
           typnotnull AS notnull, format_type(oid, -1) AS name, typname = 'citext' AS citext
      FROM pg_type WHERE typtype IN ('d', 'e') OR typname = 'citext'"""

_KEYS: Final = """
    SELECT indrelid::int8 AS relation, indisprimary AS is_primary, indkey[0]::int AS attnum
      FROM pg_index
     WHERE indrelid = ANY(%s::oid[]) AND indisunique AND indisvalid AND indnkeyatts = 1
       AND indpred IS NULL AND indexprs IS NULL
     ORDER BY indrelid, indisprimary DESC, indexrelid"""

#: A sequence belongs to a column (serial, identity) or is called by its default.
_SEQUENCES: Final = """
    SELECT d.refobjid::int8 AS relation, d.refobjsubid AS attnum, s.relname AS name, n.nspname AS schema
      FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
      JOIN pg_namespace n ON n.oid = s.relnamespace
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
       AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0 AND d.refobjid = ANY(%(oids)s::oid[])
    UNION
    SELECT f.adrelid::int8, f.adnum, s.relname, n.nspname
      FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
      JOIN pg_class s ON d.refclassid = 'pg_class'::regclass AND s.oid = d.refobjid AND s.relkind = 'S'
      JOIN pg_namespace n ON n.oid = s.relnamespace
     WHERE f.adrelid = ANY(%(oids)s::oid[])"""

#: Triggers after the row is stored may change it again; constraints that can wait would fail at COMMIT.
_HABITS: Final = """
    SELECT c.oid::int8 AS relation,
           EXISTS (SELECT FROM pg_trigger t
                    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 2 = 0) AS rereads,
           EXISTS (SELECT FROM pg_constraint k
                    WHERE (k.conrelid = c.oid OR k.confrelid = c.oid) AND k.condeferrable)
               OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgdeferrable) AS deferrable
      FROM pg_class c WHERE c.oid = ANY(%s::oid[])"""

_BOOL, _BYTEA, _INT8, _INT2, _INT4, _TEXT, _NAME = 16, 17, 20, 21, 23, 25, 19
_FLOAT4, _FLOAT8, _BPCHAR, _VARCHAR, _DATE, _TIME = 700, 701, 1042, 1043, 1082, 1083
_TIMESTAMP, _TIMESTAMPTZ, _NUMERIC, _UUID = 1114, 1184, 1700, 2950
_KNOWN: Final[Mapping[int, tuple[FieldType, str]]] = {
    _BOOL: (FieldType.BOOLEAN, "boolean"),
    _BYTEA: (FieldType.BINARY, "bytea"),
    _INT2: (FieldType.INTEGER, "smallint"),
    _INT4: (FieldType.INTEGER, "integer"),
    _INT8: (FieldType.INTEGER, "bigint"),
    _TEXT: (FieldType.TEXT, "text"),
    _NAME: (FieldType.TEXT, "name"),
    # not "character": without a length that means character(1)
    _BPCHAR: (FieldType.TEXT, "bpchar"),
    _VARCHAR: (FieldType.TEXT, "varchar"),
    _FLOAT4: (FieldType.FLOAT, "real"),
    _FLOAT8: (FieldType.FLOAT, "float8"),
    _DATE: (FieldType.DATE, "date"),
    _TIME: (FieldType.TIME, "time"),
    _TIMESTAMP: (FieldType.DATETIME, "timestamp"),
    _TIMESTAMPTZ: (FieldType.INSTANT, "timestamptz"),
    _NUMERIC: (FieldType.DECIMAL, "numeric"),
    _UUID: (FieldType.GUID, "uuid"),
}
_BITS: Final = {_INT2: 16, _INT4: 32, _INT8: 64, _FLOAT4: 24, _FLOAT8: 53}
_KEY_TYPES: Final = frozenset({FieldType.INTEGER, FieldType.TEXT, FieldType.GUID})
_STAMP_NAMES: Final = (
    "modified_at", "modified_on", "modifiedon", "modified", "updated_at", "updated_on", "last_modified",
    "last_modified_at", "changed_at", "changed_on", "write_date",
)  # fmt: skip
UPDATE, INSERT, DELETE = 1 << 2, 1 << 3, 1 << 4  # bits of pg_relation_is_updatable


class _Type(NamedTuple):
    """A column's base type: what remains when domains are taken off. ``cast`` is its SQL name without modifier."""

    oid: int
    typmod: int
    notnull: bool
    cast: str
    is_enum: bool
    is_citext: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its description, and how it is read and written in SQL."""

    info: FieldInfo
    cast: str
    readable: bool
    granted: bool
    notnull: bool
    hasdef: bool
    identity_always: bool
    #: Equality of this text column is exact; false for citext and case-insensitive collations.
    exact: bool
    #: Its type has a counterpart in FieldType (or is an enumeration or citext); others are read as text only.
    supported: bool


@dataclass(slots=True)
class Relation:
    """One table or view. ``statements`` caches SQL built for it; it dies with the relation when the table changes."""

    oid: int
    name: str
    target: str
    kind: str
    label: str
    whole: bool
    updatable: int
    columns: dict[str, Column]
    key: str | None = None
    key_kind: KeyKind = KeyKind.OPAQUE
    sequence: tuple[str, str] | None = None
    unique: set[str] = field(default_factory=set)
    rereads: bool = False
    deferrable: bool = False
    statements: dict[Any, Any] = field(default_factory=dict)

    @property
    def has_xmin(self) -> bool:
        """Whether the row's version is ``xmin``: in plain tables, with the right to read the whole table."""
        return self.kind == "r" and self.whole

    def describe(self) -> TableInfo:
        infos = {name: column.info for name, column in self.columns.items() if column.readable}
        stamps = [name for name in _STAMP_NAMES if name in infos and infos[name].type in STAMPS]
        key = self.key if self.key in infos else None
        return TableInfo(
            name=self.name,
            fields=infos,
            id_field=key,
            key_kind=self.key_kind,
            writable=bool(self.updatable & (INSERT | UPDATE | DELETE)),
            label=self.label,
            modified_field=stamps[0] if stamps else None,
        )


STAMPS: Final = frozenset({FieldType.INSTANT, FieldType.DATETIME})


def load(session: Session, names: Sequence[str] | None, views: Mapping[str, str]) -> dict[str, Relation]:
    """The relations of the session's schema, or those of ``names`` that exist."""
    rows = session.query(
        _COLUMNS, {"schema": session.schema, "names": None if names is None else list(names)}
    )
    if not rows:
        return {}
    types = {row.oid: row for row in session.query(_TYPES, ())}
    relations: dict[int, Relation] = {}
    numbers: dict[tuple[int, int], str] = {}
    by_relation: dict[int, list[Any]] = {}
    for row in rows:
        by_relation.setdefault(row.relation, []).append(row)
        numbers[row.relation, row.attnum] = row.attname
    oids = list(by_relation)
    keys = session.query(_KEYS, (oids,))
    unique = {(key.relation, key.attnum) for key in keys}
    for oid, columns in by_relation.items():
        first = columns[0]
        # Without any right to write, the lack is a missing right of the table, not a property of its columns.
        some_granted = any(row.granted for row in columns)
        relations[oid] = Relation(
            oid=oid,
            name=first.name,
            target=f"{quote(session.schema)}.{quote(first.name)}",
            kind=first.kind,
            label=first.label,
            whole=first.whole,
            updatable=first.updatable,
            columns={
                row.attname: _column(row, types, (oid, row.attnum) in unique, some_granted) for row in columns
            },
            unique={numbers[number] for number in unique if number[0] == oid},
        )
    for key in keys:
        relation, name = relations[key.relation], numbers[key.relation, key.attnum]
        column = relation.columns[name]
        if relation.key is None and (key.is_primary or column.notnull) and _is_key(column):
            relation.key = name
    sequences = {
        (row.relation, numbers.get((row.relation, row.attnum))): (row.schema, row.name)
        for row in session.query(_SEQUENCES, {"oids": oids})
    }
    for habit in session.query(_HABITS, (oids,)):
        relations[habit.relation].rereads = habit.rereads
        relations[habit.relation].deferrable = habit.deferrable
    for relation in relations.values():
        chosen = views.get(relation.name)
        if relation.key is None and chosen in relation.columns and _is_key(relation.columns[chosen]):
            relation.key = chosen
        _set_key_kind(relation, sequences.get((relation.oid, relation.key)))
    return {relation.name: relation for relation in relations.values()}


def _is_key(column: Column) -> bool:
    return column.supported and column.info.type in _KEY_TYPES


def _set_key_kind(relation: Relation, sequence: tuple[str, str] | None) -> None:
    if relation.key is None:
        return
    key = relation.columns[relation.key]
    if key.info.type is FieldType.GUID:
        relation.key_kind = KeyKind.UUID
    elif sequence is not None and key.info.type is FieldType.INTEGER:
        relation.key_kind = KeyKind.SEQUENCE
        relation.sequence = sequence
    else:
        relation.key_kind = KeyKind.OPAQUE if key.hasdef else KeyKind.NATURAL


def _column(row: Any, types: Mapping[int, Any], unique: bool, some_granted: bool) -> Column:
    base = _base_type(row, types)
    known = _KNOWN.get(base.oid)
    supported = known is not None or base.is_enum or base.is_citext
    generated = row.generated != ""
    assignable = supported and not generated and row.assignable
    notnull = row.notnull or base.notnull
    info = FieldInfo(
        name=row.attname,
        type=known[0] if known else FieldType.TEXT,
        **_limits(base),
        required=notnull and not row.hasdef and not row.identity and not generated,
        padded=base.oid == _BPCHAR,
        read_only=not assignable or row.identity == "a" or (some_granted and not row.granted),
        unique=unique,
        label=row.comment,
        native=row.native,
    )
    return Column(
        info=info,
        cast=known[1] if known else base.cast,
        readable=row.readable,
        granted=row.granted,
        notnull=notnull,
        hasdef=row.hasdef,
        identity_always=row.identity == "a",
        exact=row.deterministic and not base.is_citext,
        supported=supported,
    )


def _base_type(row: Any, types: Mapping[int, Any]) -> _Type:
    oid, typmod, notnull = row.type, row.typmod, False
    while (found := types.get(oid)) is not None and found.kind == "d":
        notnull = notnull or found.notnull
        oid, typmod = found.base, found.typmod if typmod == -1 else typmod
    if found is None:
        return _Type(oid, typmod, notnull, "text", False, False)
    return _Type(oid, typmod, notnull, cast_name(found.name), found.kind == "e", found.citext)


def _limits(base: _Type) -> dict[str, Any]:
    """Length, precision, scale and fraction, out of the type modifier as PostgreSQL packs it."""
    oid, typmod = base.oid, base.typmod
    if oid in _BITS:
        return {"precision": _BITS[oid]}
    if oid == _NAME:
        return {"length": 63}
    if typmod < 0:
        return {}
    if oid in (_VARCHAR, _BPCHAR):
        return {"length": typmod - 4}
    if oid == _NUMERIC:
        packed = typmod - 4
        return {"precision": packed >> 16 & 0xFFFF, "scale": ((packed & 0x7FF) ^ 1024) - 1024}
    if oid in (_TIME, _TIMESTAMP, _TIMESTAMPTZ):
        return {"fraction": typmod}
    return {}
