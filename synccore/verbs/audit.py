"""Set-up checks of one app: the account Tandem signs in with, its rights, the clock, and the tables as they are mapped.

Nothing is written to the app. What cannot be checked is stored as that, never as passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q

from synccore.connectors.base import Connector
from synccore.engine.rules import Direction
from synccore.engine.serial import load_info
from synccore.failures import Failure, Misconfigured
from synccore.models import Connection, FieldMapping, SetupCheck, TableMapping
from synccore.shapes import SIDES, CheckState, FieldInfo, Finding, Side, TableInfo, TableUse

from . import clocks
from .rates import check_rates, release_waiting
from .run import Run
from .set_up import connection_of, look_again, signed_in

#: An app's clock further off than this is worth a word, though stamps are corrected by it.
FAR_OFF: Final = 10.0
#: Looked at once per app, besides the sign-in.
OF_APP: Final = ("clock", "not_superuser", "password_valid", "not_owner")
#: Another value of these makes fields of the same type take other values.
_LIMITS: Final = ("length", "precision", "scale", "fraction", "padded")


@dataclass(frozen=True)
class Used:
    """A mapping's side in the app: how its table is used, and its field mappings with what was known of them."""

    mapping: TableMapping
    side: Side
    use: TableUse
    rows: tuple[FieldMapping, ...]


#: Which check, of which mapping (None: of the app).
Key = tuple[int | None, str]
Found = list[tuple[int | None, Finding]]


def check_set_up(run: Run) -> None:
    """Look at the set-up of one app and replace what is stored of it. When something that failed passes now, or a person
    asked, what holds its mappings is checked next, and released as ever.

    A failure of the app is a finding, not a failure of the job.
    """
    app = connection_of(run)
    used = list(uses_of(app))
    found: Found = []
    failure = None
    clock: clocks.Clock | None = None
    try:
        with signed_in(run, app) as connector:
            connector.check(None)
            found.append((None, Finding("signs_in", CheckState.PASS, {})))
            clock = clocks.read(connector)
            found.append((None, _clock(clock)))
            run.renew()
            found += _audit(connector, used)
            for each in used:
                run.renew()
                found += _rights(connector, each, found)
            run.renew()
            found += _tables(connector.describe(), used)
            run.renew()
            found += check_rates(connector, app)
    except Failure as met:
        failure = met
        if not found:
            state = CheckState.FAIL if isinstance(met, Misconfigured) else CheckState.UNKNOWN
            found.append((None, Finding("signs_in", state, _because(met))))
    found += _not_made(found, used, failure)
    with run.page() as at:
        if clock is not None:
            clocks.store(app, clock)
        failing = set(_stored(app))
        SetupCheck.objects.filter(connection=app).delete()
        rows = [
            SetupCheck(
                connection=app,
                mapping_id=mapping,
                code=finding.code,
                state=finding.state.value,
                params=_params(finding),
                at=at,
            )
            for mapping, finding in found
        ]
        SetupCheck.objects.bulk_create(rows)
        passed = {(mapping, finding.code) for mapping, finding in found if finding.state is CheckState.PASS}
        if failure is None and (failing & passed or run.job.requested_by_id is not None):
            look_again(run, app, at)
        if any(code == "exchange_rates" for _mapping, code in passed):
            release_waiting(run, app, at)


def uses_of(app: Connection) -> Iterator[Used]:
    """Every mapping's use of the app, in the order of their names."""
    of_app = Q(integration__left=app) | Q(integration__right=app)
    mappings = (
        TableMapping.objects.filter(of_app).select_related("integration").prefetch_related("field_mappings")
    )
    for mapping in mappings.order_by("name", "pk"):
        for side in SIDES:
            if getattr(mapping.integration, f"{side.value}_id") != app.pk:
                continue
            rows = tuple(row for row in mapping.field_mappings.all() if getattr(row, f"{side.value}_field"))
            write = Direction(mapping.direction).allows(side)
            read = (getattr(row, f"{side.value}_field") for row in rows if not row.has_constant)
            written = (getattr(row, f"{side.value}_field") for row in rows if write and _goes(row, side))
            use = TableUse(
                mapping.table(side), tuple(dict.fromkeys(read)), tuple(dict.fromkeys(written)), write
            )
            yield Used(mapping, side, use, rows)


def _goes(row: FieldMapping, side: Side) -> bool:
    return Direction(row.direction).allows(side)


def _stored(app: Connection) -> list[Key]:
    """What failed, or could not be checked, before."""
    bad = (CheckState.FAIL.value, CheckState.UNKNOWN.value)
    rows = SetupCheck.objects.filter(connection=app, state__in=bad)
    return list(rows.values_list("mapping_id", "code"))


def _because(failure: Failure) -> dict[str, Any]:
    """A failure as facts of a check; the sentence is chosen when it is read."""
    return {
        "failure": failure.code,
        "kind": failure.kind.value,
        "facts": failure.params,
        "said": failure.app_message,
    }


def _params(finding: Finding) -> dict[str, Any]:
    return {**finding.params, **({"table": finding.table} if finding.table else {})}


def _clock(clock: clocks.Clock) -> Finding:
    params = {"skew": f"{clock.skew:+.2f}", "uncertainty": f"{clock.uncertainty:.2f}"}
    far = abs(clock.skew) - clock.uncertainty > FAR_OFF
    return Finding("clock", CheckState.WARN if far else CheckState.PASS, params)


def _audit(connector: Connector, used: list[Used]) -> Found:
    """What the connector knows of its account; findings about a table go to each mapping that uses it."""
    found: Found = []
    # one question per table: two mappings of it may need different rights
    by_table: dict[str, list[Used]] = {}
    for each in used:
        by_table.setdefault(each.use.table.name, []).append(each)
    merged = [_merged([each.use for each in uses]) for uses in by_table.values()]
    for finding in connector.audit(merged):
        if not finding.table:
            found.append((None, finding))
        for each in by_table.get(finding.table, ()):
            found.append((each.mapping.pk, finding))
    return found


def _merged(uses: list[TableUse]) -> TableUse:
    """One use that needs what all of them need."""
    fields = dict.fromkeys(name for use in uses for name in (*use.fields, *_named(use)))
    written = dict.fromkeys(name for use in uses for name in use.written)
    return TableUse(uses[0].table, tuple(fields), tuple(written), any(use.write for use in uses))


def _named(use: TableUse) -> list[str]:
    ref = use.table
    named = (ref.modified_field, ref.modified_by_field, ref.key_field, ref.name_field, ref.owner_field)
    return [name for name in named if name]


def _rights(connector: Connector, used: Used, found: Found) -> Found:
    """Rights of a kind of app whose ``audit`` does not know them: the check every connector has."""
    if any(finding.code == "privileges" and mapping == used.mapping.pk for mapping, finding in found):
        return []
    params: dict[str, Any] = {"table": used.use.table.name}
    try:
        connector.check(used.use.table, write=used.use.write)
    except Misconfigured as failure:
        if failure.code in ("unknown_table", "unknown_field"):
            return []  # what is not there has no rights; that it is not there is said by itself
        return [(used.mapping.pk, Finding("privileges", CheckState.FAIL, {**params, **_because(failure)}))]
    return [(used.mapping.pk, Finding("privileges", CheckState.PASS, params))]


def _tables(catalogue: Mapping[str, TableInfo], used: list[Used]) -> Found:
    return [(each.mapping.pk, finding) for each in used for finding in _table(catalogue, each)]


def _table(catalogue: Mapping[str, TableInfo], used: Used) -> Iterator[Finding]:
    """Is the table there, are its mapped fields, and are they of the types that the mapping was made with?"""
    name = used.use.table.name
    info = catalogue.get(name)
    if info is None:
        yield Finding("table", CheckState.FAIL, {}, name)
        return
    wanted = dict.fromkeys((*used.use.fields, *used.use.written, *_named(used.use)))
    gone = [field for field in wanted if field not in info.fields]
    if gone:
        yield Finding("fields", CheckState.FAIL, {"field": gone}, name)
    changed = [*_changed(info, used)]
    yield from changed
    if not gone and not changed:
        yield Finding("fields", CheckState.PASS, {}, name)


def _changed(info: TableInfo, used: Used) -> Iterator[Finding]:
    for row in used.rows:
        field = getattr(row, f"{used.side.value}_field")
        was, now = _known(getattr(row, f"{used.side.value}_info")), info.fields.get(field)
        if was is None or now is None:
            continue
        is_other = was.type is not now.type
        if is_other or any(getattr(was, name) != getattr(now, name) for name in _LIMITS):
            params = {
                "field": field,
                "was": was.native or was.type.value,
                "now": now.native or now.type.value,
            }
            state = CheckState.FAIL if is_other else CheckState.WARN
            yield Finding("field_type", state, params, info.name)


def _known(data: object) -> FieldInfo | None:
    try:
        return load_info(data) if data else None
    except Misconfigured:
        return None


def _not_made(found: Found, used: list[Used], failure: Failure | None) -> Found:
    """What nobody answered: because of ``failure``, or because this kind of app does not tell."""
    made: set[Key] = {(mapping, finding.code) for mapping, finding in found}
    looked_at = {mapping for mapping, finding in found if finding.code in ("table", "fields", "field_type")}
    why = _because(failure) if failure is not None else {}
    missing: Found = [
        (None, Finding(code, CheckState.UNKNOWN, why)) for code in OF_APP if (None, code) not in made
    ]
    for each in used:
        mapping, params = each.mapping.pk, {**why, "table": each.use.table.name}
        if (mapping, "privileges") not in made:
            missing.append((mapping, Finding("privileges", CheckState.UNKNOWN, params)))
        if mapping not in looked_at:
            missing.append((mapping, Finding("fields", CheckState.UNKNOWN, params)))
    return missing
