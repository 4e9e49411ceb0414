"""Every failure that the source can raise is explained, and no explanation asks for what is never sent."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.functional import Promise
from django.utils.html import conditional_escape

from synccore import failures, guides
from synccore.codes import CODE_PARAMS, CODES
from synccore.failures import CLASSES, Failure, Kind
from synccore.guides import ACTIONS, GUIDES, Who, guide_for, job_log, render
from synccore.guides.shape import UNSAID, fill, names_in

SOURCE = Path(__file__).parents[2] / "synccore"
FAILURES = {
    name
    for name, each in vars(failures).items()
    if isinstance(each, type) and issubclass(each, Failure) and each not in (Failure, failures.Stale)
}
#: Places where the code is not written down: they pass on what a table, a pattern or a stored row says.
PASSED_ON = {
    "connectors/postgresql/errors.py": {"meaning.code"},  # MEANINGS, whose codes are found by themselves
    "connectors/odata/errors.py": {"meaning.code"},  # the tables of errors_*.py
    "connectors/postgresql/patterns.py": {"self.code"},  # a customer's own
    "connectors/odata/client.py": {"circuit.last()"},  # the code of an outage that another worker met
}


@dataclass(frozen=True)
class Use:
    """A code that the source sends: exactly, or as a pattern of what an f-string gives."""

    place: str
    code: str
    exact: bool = True
    kind: str = ""
    params: frozenset[str] = frozenset()


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if "migrations" not in path.parts:
            yield str(path.relative_to(SOURCE)), ast.parse(path.read_text(encoding="utf-8"))


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


Makers = dict[tuple[str, str], int]


def makers() -> Makers:
    """Functions that hand one of their own arguments on as a code: (file, name) → its position. To the fixed
    point."""
    found: Makers = {}
    while True:
        before = dict(found)
        for place, tree in sources():
            visible = in_sight(place, tree, found)
            for function in ast.walk(tree):
                if not isinstance(function, ast.FunctionDef):
                    continue
                arguments = [each.arg for each in function.args.args if each.arg not in ("self", "cls")]
                for call in ast.walk(function):
                    code = code_of(call, visible) if isinstance(call, ast.Call) else None
                    if isinstance(code, ast.Name) and code.id in arguments:
                        found[place, function.name] = arguments.index(code.id)
        if found == before:
            return found


def in_sight(place: str, tree: ast.Module, makers: Makers) -> dict[str, int]:
    """The makers that a file defines or imports, by the name they have there."""
    found = {name: position for (where, name), position in makers.items() if where == place}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("synccore."):
            where = (node.module or "").removeprefix("synccore.").replace(".", "/") + ".py"
            for alias in node.names:
                if (where, alias.name) in makers:
                    found[alias.asname or alias.name] = makers[where, alias.name]
    return found


def code_of(call: ast.Call, makers: dict[str, int]) -> ast.expr | None:
    """The argument of a call that is a failure's code, if the call makes a failure."""
    name = name_of(call.func)
    if name in FAILURES and call.args:
        return call.args[0]
    if isinstance(call.func, ast.Name) and name in makers and len(call.args) > makers[name]:
        return call.args[makers[name]]
    # Meaning(Rejected, "duplicate_key"): a table of failures to be
    for cls, code in zip(call.args, call.args[1:], strict=False):
        if name_of(cls) in FAILURES and isinstance(code, ast.Constant) and isinstance(code.value, str):
            return code
    return None


def kind_of(call: ast.Call) -> str:
    """The kind of failure, where the class stands in the call."""
    names = [name_of(call.func), *(name_of(argument) for argument in call.args)]
    return next((getattr(failures, name).kind.value for name in names if name in FAILURES), "")


def literal_params(call: ast.Call) -> frozenset[str]:
    """The facts a call sends, as far as they are written down in it."""
    found = {each.arg for each in call.keywords if each.arg} if name_of(call.func) not in FAILURES else set()
    for argument in call.args[1:2] if name_of(call.func) in FAILURES else ():
        if isinstance(argument, ast.Dict):
            found |= {key.value for key in argument.keys if isinstance(key, ast.Constant)}
    for keyword in call.keywords:  # Meaning(Rejected, "duplicate_key", params={"field": …})
        if keyword.arg == "params" and isinstance(keyword.value, ast.Dict):
            found |= {key.value for key in keyword.value.keys if isinstance(key, ast.Constant)}
    return frozenset(found - {"app_message", "scope", "debug", "outcome_unknown", "params"})


def uses() -> Iterator[Use]:
    known = makers()
    for place, tree in sources():
        own = {
            argument.arg
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef)
            for argument in function.args.args
        }
        visible = in_sight(place, tree, known)
        for call in ast.walk(tree):
            code = code_of(call, visible) if isinstance(call, ast.Call) else None
            if code is None:
                continue
            assert isinstance(call, ast.Call)
            where = f"{place}:{call.lineno}"
            for each in (code.body, code.orelse) if isinstance(code, ast.IfExp) else (code,):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    if each.value:
                        yield Use(where, each.value, kind=kind_of(call), params=literal_params(call))
                elif isinstance(each, ast.JoinedStr):
                    parts = [
                        re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[a-z_]+"
                        for part in each.values
                    ]
                    yield Use(where, "".join(parts), exact=False)
                elif ast.unparse(each) not in PASSED_ON.get(place, ()) and ast.unparse(each) not in own:
                    pytest.fail(f"{where}: {ast.unparse(each)} – write the code down, or name the place here")


USES = tuple(uses())


def test_the_walk_finds_codes_in_every_way_they_are_written() -> None:
    found = {use.code for use in USES}
    assert {"credentials_unreadable", "bad_filter", "value_too_long", "sign_in_refused", "bug"} <= found
    assert "deleted_[a-z_]+" in found
    assert {("engine/canonical.py", "rejected"), ("connectors/values.py", "refuse")} <= set(makers())
    assert len(found) > 40


def test_every_code_of_the_source_is_known() -> None:
    unknown = [
        f"{use.place}: {use.code}"
        for use in USES
        if not (use.code in CODES if use.exact else any(re.fullmatch(use.code, code) for code in CODES))
    ]
    assert not unknown, "add them to synccore/codes.py, with a guide"


def test_every_fact_that_is_sent_is_declared() -> None:
    wrong = [
        f"{use.place}: {use.code} sends {sorted(use.params - CODE_PARAMS[use.code])}"
        for use in USES
        if use.exact and use.code in CODES and not use.params <= CODE_PARAMS[use.code]
    ]
    assert not wrong


def test_a_code_is_of_the_kind_it_is_declared_with() -> None:
    wrong = [
        f"{use.place}: {use.code} is {use.kind}"
        for use in USES
        if use.exact and use.kind and use.code in CODES and use.kind != CODES[use.code].kind
    ]
    assert not wrong


def test_every_line_of_a_jobs_log_can_be_read() -> None:
    codes = {
        call.args[0].value: {each.arg for each in call.keywords}
        for _place, tree in sources()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("run.log", "self.log")
        if call.args and isinstance(call.args[0], ast.Constant)
    }
    assert codes.keys() == job_log.LINES.keys()
    for code, params in codes.items():
        assert job_log.LINES[code].params <= params
    assert render("swept", {"rows": 9, "found": 2, "side": "left"}, apps={"left": "ERP"}).sentence == (
        "9 records of ERP compared with the memory; 2 differ."
    )


def test_every_code_has_a_guide_and_every_guide_a_code() -> None:
    assert set(CODES) == set(GUIDES)


@pytest.mark.parametrize("code", sorted(GUIDES))
def test_a_guide_asks_only_for_what_its_code_sends(code: str) -> None:
    guide = GUIDES[code]
    assert guide.params <= CODE_PARAMS[code]
    assert guide.params <= set(UNSAID), "say in UNSAID how the sentence reads without it"
    assert set(guide.actions) <= ACTIONS
    assert all(isinstance(text, str | Promise) for text in (*guide.steps, *guide.more))
    assert str(guide.title) and str(guide.sentence).endswith(".") and guide.steps


@pytest.mark.parametrize("code", sorted(GUIDES))
def test_a_sentence_without_any_fact_is_still_a_sentence(code: str) -> None:
    bare = render(code, {}, apps={})
    for text in (bare.title, bare.sentence, *bare.steps):
        assert not re.search(r"[{}]|None|\s\s|…", text) and text[0].isupper() | (not text[0].isalpha()), text


@pytest.mark.parametrize("kind", list(Kind))
def test_a_code_of_a_customers_own_pattern_is_explained_by_its_kind(kind: Kind) -> None:
    told = render("no_such_code", {"side": "right"}, apps={"right": "CRM"}, kind=kind.value)
    assert told.title and told.sentence and told.steps
    if kind in (Kind.TRANSIENT, Kind.REJECTED, Kind.MISCONFIGURED):
        assert "CRM" in told.title


def test_the_kinds_of_codes_fit_who_ends_them() -> None:
    for code, (kind, _scope, _params) in CODES.items():
        who = guide_for(code).who
        if kind in (Kind.MISCONFIGURED, Kind.STOPPED, Kind.BUG):
            assert who is Who.ADMINISTRATOR, code
        if kind in (Kind.CONFLICT, Kind.MISSING):
            assert who is Who.OWNER, code
    assert set(CLASSES) >= {code.kind for code in CODES.values()}


def test_values_are_filled_in_as_data() -> None:
    told = render(
        "value_too_long",
        {
            "field": "{app}",
            "value": "<b>{limit}</b>",
            "length": 51,
            "limit": 50,
            "table": "x",
            "side": "left",
        },
        apps={"left": "<ERP>", "right": "CRM"},
    )
    assert told.title == "{app} is too long"
    assert "51 characters" in told.sentence and "room for 50" in told.sentence
    refused = render(
        "check_refused", {"field": "name", "value": "<script>"}, side="right", apps={"right": "<CRM>"}
    )
    assert "<CRM>" in refused.title and "&lt;script&gt;" in conditional_escape(refused.sentence)


def test_what_was_not_sent_is_left_out_or_becomes_a_word() -> None:
    missing = {"user": "sync", "table": "account", "privilege": "UPDATE"}
    apps = {"right": "CRM"}
    told = render("missing_privilege", missing, apps=apps, side="right")
    assert told.sentence == "In CRM, sync lacks UPDATE on account."
    told = render("missing_privilege", {**missing, "grant": "GRANT UPDATE …;"}, apps=apps, side="right")
    assert told.sentence.endswith(" on account. Ready to copy: GRANT UPDATE …;")
    assert render("value_required", {}).title == "A field must not be empty"
    assert render("value_required", {"field": "eMail"}).title == "eMail must not be empty"
    assert fill("{limit}", {"limit": 0}) == "0"


def test_a_missing_right_is_told_in_the_words_of_the_kind_of_app() -> None:
    lacks = {
        "user": "sync",
        "table": "accounts",
        "privilege": "prvWriteAccount",
        "action": "change",
        "entity": "Account",
    }
    told = render(
        "missing_privilege", {**lacks, "holder": "security_role"}, apps={"right": "CRM"}, side="right"
    )
    assert told.sentence == (
        "In CRM, sync lacks prvWriteAccount on accounts. With it an account may change records of Account."
    )
    assert told.steps[0] == (
        "In CRM, add prvWriteAccount on Account to a security role of the integration user, "
        "or give it a security role that has it."
    )
    told = render(
        "missing_privilege", {**lacks, "holder": "permission_set"}, apps={"right": "ERP"}, side="right"
    )
    assert "a permission set of the integration user" in told.steps[0]
    assert not any("role" in step for step in render("missing_privilege", {"grant": "GRANT …;"}).steps)


def test_apps_are_named_from_the_side_of_the_failure() -> None:
    apps = {"left": "ERP", "right": "CRM"}
    gone = render("deleted_right", {"side": "right", "name": "Fabrikam"}, apps=apps)
    assert gone.title == "Deleted in CRM" and "Fabrikam in ERP" in gone.sentence
    assert (
        render("sign_in_refused", {"user": "sync"}, side="left", apps=apps).title == "ERP refuses the sign-in"
    )
    assert render("sign_in_refused", {"app": "Shop"}, apps=apps).title == "Shop refuses the sign-in"


def test_fields_in_conflict_are_named_once() -> None:
    fields = [
        {"left_field": "name", "right_field": "name", "left": "a", "right": "b"},
        {"left_field": "phone", "right_field": "telephone1"},
    ]
    assert "name, phone / telephone1." in render("update_conflict", {"fields": fields}).sentence


@pytest.mark.parametrize(
    "value", [None, True, 1.5, [], [1, "x"], {}, {"a": object()}, "{", b"\x00", object()]
)
def test_no_value_breaks_a_sentence(value: object) -> None:
    for code in GUIDES:
        assert render(
            code, dict.fromkeys(CODE_PARAMS[code], value), apps={"left": "L", "right": "R"}
        ).sentence


def test_texts_are_translated_when_they_are_read() -> None:
    guide = guide_for("deleted_left")
    assert names_in(str(guide.title)) == {"app"} and guide.title is not str(guide.title)
    with translation.override("nl"):
        assert render("deleted_left", {"side": "left"}, apps={"left": "ERP"}).title
    assert guides.pause_reason("instance_mismatch").startswith("The database was copied")
    assert guides.pause_reason("Year end") == "Year end"
