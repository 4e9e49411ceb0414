"""What holds for every address: who gets in, one heading, no write, few questions to the database."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.utils import InternalError
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse

from synccore.connectors import CONNECTORS

pytestmark = pytest.mark.usefixtures("clean_up", "full")

PAGES = {
    "tell_me": ["", "?q=retry", "?q=van+dijk"],
    "home": [""],
    "coupling:coupled": [
        "",
        "?tab=all",
        "?tab=ended",
        "?tab=waiting",
        "?sort=name",
        "?sort=-failed",
        "?q=van",
        "?kind=bug",
        "?group=causes&tab=all",
        "?group=causes&tab=ended",
    ],
    "coupling:skipped": ["", "?tab=on_purpose", "?group=causes", "?group=causes&tab=on_purpose"],
    "coupling:problem": [""],
    "coupling:live_problem": [""],
    "coupling:compare": ["", "?choose=left"],
    "coupling:live_compare": [""],
    "coupling:record": ["", "?pair=1"],
    "coupling:live_record": [""],
    "coupling:edit": [""],
    "coupling:live_edit": [""],
    "coupling:records": ["", "?tab=alone", "?tab=left_out", "?tab=removed", "?q=van", "?sort=-agreed"],
    "coupling:live_records": [""],
    "coupling:couple": [""],
    "coupling:live_couple": [""],
    "errors:entries": ["", "?tab=entries", "?kind=rejected&tab=entries", "?destination=right&tab=entries"],
    "errors:entry": [""],
    "errors:ask_clean_up": ["", "?which=all"],
    "errors:clean_up_result": [""],
    "errors:help_index": ["", "?q=later+modified+date", "?q=nothing+has+this"],
    "errors:help": ["", "?entry=1", "?problem=x"],
    "errors:deleted_entries": ["", "?kind=rejected", "?q=van"],
    "synccore:jobs": ["", "?tab=unfinished", "?tab=trouble", "?state=finished"],
    "synccore:job": [""],
    "synccore:journal": [
        "",
        "?tab=open",
        "?tab=failed",
        "?tab=undone",
        "?operation=update&side=left",
        "?q=van",
    ],
    "synccore:undo_job": ["", "?row=1"],
    "synccore:job_records": ["", "?tab=done", "?q=van&purpose=chosen"],
    "synccore:queue": ["", "?status=on_hold", "?sort=-next"],
    "synccore:interval": [""],
    "synccore:new_schedule": [""],
    "synccore:mappings": [""],
    "synccore:standard": ["", "?reset=customers&reset=x"],
    "synccore:mapping": [""],
    "synccore:new_mapping": ["", "?integration=999999", "?integration=nonsense"],
    "synccore:new_integration": [""],
    "synccore:edit_mapping": [""],
    "synccore:mapping_fields": [""],
    "synccore:suggest_fields": [""],
    "synccore:mapping_filters": [""],
    "synccore:mapping_preconditions": [""],
    "synccore:mapping_templates": [""],
    "synccore:planned": ["", "?step=create", "?step=nonsense&after=x"],
    "synccore:synchronize_since": [""],
    "synccore:match": [""],
    "synccore:match_criteria": [""],
    "synccore:match_records": ["", "?tab=one&side=left", "?tab=several&q=van&at=x", "?tab=all", "?side=x"],
    "synccore:match_run": [""],
    "synccore:full": ["", "?mapping=1&mapping=x"],
    "synccore:full_status": [""],
    "synccore:delete_mapping": [""],
    "synccore:live_catalogue": ["", "?side=right&table=account", "?side=nonsense", "?table=%00x"],
    "synccore:connections": [""],
    "synccore:connection": [""],
    "synccore:delete_connection": [""],
    "synccore:delete_integration": [""],
    "synccore:currencies": [""],
    "synccore:manual": [""],
    "synccore:new_connection": ["", *(f"?kind={kind}" for kind in CONNECTORS)],
    "synccore:edit_connection": [""],
    "synccore:credentials": [""],
    "synccore:choose": [""],
    "synccore:app_tables": ["", "?q=na%22me", "?table=customer&q=name", "?table=nowhere"],
    "synccore:guided_address": [""],
    "synccore:guided_test": [""],
    "synccore:guided_choose": [""],
    "synccore:guided_checks": [""],
    "synccore:guided_next": [""],
    "synccore:finding": ["", "?finding=1", "?finding=x.y"],
    "synccore:couplings": ["", "?tab=removed", "?sort=-agreed", "?q=cont"],
    "people:users": ["", "?tab=off", "?q=an", "?sort=-seen"],
    "people:user": [""],
    "people:new_user": [""],
    "people:edit_user": [""],
    "people:groups": [""],
    "people:new_group": [""],
    "people:group": [""],
    "people:password": [""],
}
ONLY_POST = {
    "coupling:ask_administrator",
    "errors:bring_back",
    "errors:clean_up",
    "coupling:synchronize_record",
    "synccore:allow_once",
    "synccore:cancel",
    "synccore:cancel_full",
    "synccore:full_again",
    "synccore:check_now",
    "synccore:check_set_up",
    "synccore:list_choices",
    "synccore:read_app_tables",
    "synccore:copy_mapping",
    "synccore:read_tables",
    "synccore:switch_off",
    "synccore:switch_on",
    "synccore:switch_on_new",
    "synccore:keep_stopped",
    "synccore:pause",
    "synccore:resume",
    "synccore:retry_failed",
    "synccore:run_now",
    "synccore:find_deleted",
    "synccore:run_pressed",
    "synccore:test_connection",
    "synccore:undo_purge",
    "people:delete_group",
    "people:owner_codes",
    "people:sign_in_link",
    "people:switch_user",
}
#: Open to whoever holds a link; ``test_users`` has it.
BY_LINK = {"people:set_password"}
OF_CONNECTION = (
    "connection",
    "delete_connection",
    "currencies",
    "edit_connection",
    "credentials",
    "choose",
    "app_tables",
    "guided_address",
    "guided_test",
    "guided_choose",
    "guided_checks",
    "guided_next",
    "test_connection",
    "check_set_up",
    "list_choices",
    "read_app_tables",
)
FOR_ADMINISTRATORS = {
    "people:edit_user",
    "people:group",
    "people:groups",
    "people:new_group",
    "people:new_user",
    "people:user",
    "people:users",
    "errors:ask_clean_up",
    *(f"synccore:{name}" for name in OF_CONNECTION),
    "synccore:connections",
    "synccore:delete_integration",
    "synccore:delete_mapping",
    "synccore:edit_mapping",
    "synccore:interval",
    "synccore:new_schedule",
    "synccore:journal",
    "synccore:live_catalogue",
    "synccore:mapping",
    "synccore:full_status",
    "synccore:mapping_fields",
    "synccore:suggest_fields",
    "synccore:mapping_filters",
    "synccore:mapping_preconditions",
    "synccore:mapping_templates",
    "synccore:match_criteria",
    "synccore:mappings",
    "synccore:new_integration",
    "synccore:standard",
    "synccore:new_mapping",
    "synccore:new_connection",
}
OF_MAPPING = (
    "mapping",
    "mapping_fields",
    "suggest_fields",
    "mapping_filters",
    "mapping_preconditions",
    "mapping_templates",
    "planned",
    "synchronize_since",
    "match",
    "match_criteria",
    "match_records",
    "match_run",
    "edit_mapping",
    "copy_mapping",
    "delete_mapping",
    "read_tables",
    "run_now",
    "switch_off",
    "switch_on",
)
#: Of one mapping, for whoever may synchronize its records.
FOR_SYNCHRONIZERS = {
    "synccore:full",
    "synccore:planned",
    "synccore:synchronize_since",
    "synccore:match",
    "synccore:match_records",
    "synccore:match_run",
}
ADDRESSES = [(name, query) for name, queries in PAGES.items() for query in queries]
LISTS = [
    "people:users",
    "coupling:coupled",
    "coupling:skipped",
    "errors:entries",
    "errors:deleted_entries",
    "synccore:jobs",
    "synccore:queue",
    "synccore:couplings",
    "coupling:records",
    "synccore:match_records",
]
#: Lists that only an administrator sees.
SET_UP_LISTS = ["synccore:journal", "synccore:mappings"]


def address(name: str, world) -> str:
    keys = {
        "coupling:problem": world.conflict.pk,
        "coupling:live_problem": world.conflict.pk,
        "coupling:ask_administrator": world.setup.pk,
        "coupling:compare": world.conflict.coupling_id,
        "coupling:live_compare": world.conflict.coupling_id,
        **{f"coupling:{each}": world.conflict.coupling_id for each in ("live_record", "synchronize_record")},
        "errors:entry": world.entry.pk,
        "errors:help": "value_too_long",
        "synccore:manual": "integration-users-services",
        "errors:clean_up_result": world.clean_up.pk,
        **{f"synccore:{each}": world.mapping.pk for each in OF_MAPPING},
        "synccore:full_status": world.full and world.full.pk,
        "synccore:cancel_full": world.full and world.full.pk,
        "synccore:live_catalogue": world.mapping.integration.left_id,
        **{f"synccore:{each}": world.mapping.integration.left_id for each in OF_CONNECTION},
        "synccore:check_now": world.setup.pk,
        "synccore:pause": world.mapping.integration_id,
        "synccore:resume": world.mapping.integration_id,
        "synccore:delete_integration": world.mapping.integration_id,
        "synccore:standard": world.mapping.integration_id,
        "synccore:interval": world.mapping.queue_entries.get().pk,
    }
    if name == "synccore:full_again":
        return reverse(name, args=[world.full.pk, world.mapping.pk])
    if name in ("coupling:edit", "coupling:live_edit"):
        return reverse(name, args=[world.conflict.coupling_id, "left"])
    if name == "coupling:record":
        return reverse(name, args=[world.mapping.pk, world.conflict.coupling.left_key])
    if name in keys:
        return reverse(name, args=[keys[name]])
    if name in (
        "people:user",
        "people:edit_user",
        "people:sign_in_link",
        "people:switch_user",
        "people:owner_codes",
    ):
        return reverse(name, args=[(User.objects.order_by("pk").first() or User(pk=1)).pk])
    if name in ("people:group", "people:delete_group"):
        return reverse(name, args=[Group.objects.get(name="Viewer").pk])
    if name.startswith("synccore:") and name.split(":")[1] in (
        "job",
        "job_records",
        "retry_failed",
        "cancel",
        "allow_once",
        "keep_stopped",
        "undo_job",
        "undo_purge",
    ):
        return reverse(name, args=[world.job.pk])
    return reverse(name)


def ours() -> set[str]:
    found = set()
    for pattern in get_resolver().url_patterns:
        if getattr(pattern, "name", None) in ("home", "menu_counts", "tell_me"):
            found.add(pattern.name)
        space = getattr(pattern, "namespace", None)
        if space in ("coupling", "errors", "people", "synccore"):
            found |= {f"{space}:{each.name}" for each in pattern.url_patterns}
    return found


def test_this_file_knows_every_address():
    assert ours() == set(PAGES) | ONLY_POST | BY_LINK | {"menu_counts"}  # the last is no page: numbers


@pytest.mark.parametrize("name", sorted([*PAGES, *ONLY_POST]))
def test_nobody_gets_in_without_signing_in(client, world, name):
    where = address(name, world)
    answer = client.post(where) if name in ONLY_POST else client.get(where)
    assert answer.status_code == 302
    assert answer.url == f"{reverse('login')}?next={where}"


@pytest.mark.parametrize("name", sorted(ONLY_POST))
def test_a_link_never_does_anything(world, administrator, as_user, name):
    assert as_user(administrator).get(address(name, world)).status_code == 405


@pytest.mark.parametrize("who", ["administrator", "owner", "viewer"])
@pytest.mark.parametrize(("name", "query"), ADDRESSES)
def test_page(request, world, as_user, who, name, query):
    browser = as_user(request.getfixturevalue(who))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        answer = browser.get(address(name, world) + query)
        text = answer.content.decode()
    refused = name in FOR_ADMINISTRATORS and who != "administrator"
    if refused or (name in FOR_SYNCHRONIZERS and who == "viewer"):
        assert answer.status_code == 403
        assert "This needs the right" in text
        return
    assert answer.status_code == 200
    assert len(re.findall(r"<h1[ >]", text)) == 1
    assert not re.search(r"<script(?![^>]* src=)[^>]*>|<style|\sstyle=|\son[a-z]+=|href=\"#\"", text)
    assert ("Salary" in text) <= (who == "administrator")


def test_the_read_only_check_would_notice(world):
    """The transaction of ``test_page`` refuses writes; else that test would prove nothing."""
    with pytest.raises(InternalError), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        world.mapping.save()


@pytest.mark.parametrize(
    "query", ["", "?tab=all", "?tab=entries", "?q=a", "?sort=-agreed", "?group=causes&tab=all"]
)
@pytest.mark.parametrize(
    ("name", "who"),
    [
        *((name, who) for name in LISTS for who in ("administrator", "owner")),
        *((name, "administrator") for name in SET_UP_LISTS),
    ],
)
def test_a_list_asks_the_database_five_times_at_most(request, world, as_user, who, name, query):
    if name in FOR_ADMINISTRATORS and who != "administrator":
        pytest.skip("not for this person: test_page has it")
    browser, where = as_user(request.getfixturevalue(who)), address(name, world)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(where + query).status_code == 200
    own = [
        each["sql"]
        for each in captured
        if not re.search(r'FROM "(django_session|auth_user|auth_permission|auth_group)"', each["sql"])
    ]
    # A search by words asks the causes first (ADR 13).
    assert len(own) <= (6 if "q=" in query else 5), "\n".join(own)


def test_somebody_without_a_role_reads_who_can_help(world, as_user):
    from tests.factories import make_user

    answer = as_user(make_user()).get(reverse("coupling:coupled"))
    assert answer.status_code == 403
    assert "See the records and their problems" in answer.content.decode()
    assert "Record owner" in answer.content.decode()


@pytest.mark.parametrize(
    "name",
    [
        "coupling:problem",
        "coupling:compare",
        "coupling:live_compare",
        "coupling:live_record",
        "errors:entry",
        "synccore:job",
    ],
)
def test_what_one_may_not_see_is_not_there(world, owner, as_user, name):
    from tests import factories as make

    keys = {
        "coupling:problem": world.secret.pk,
        "coupling:compare": world.secret.coupling_id,
        "coupling:live_compare": world.secret.coupling_id,
        "coupling:live_record": world.secret.coupling_id,
        "errors:entry": make.make_entry(world.secret).pk,
        "synccore:job": make.make_job(world.hidden).pk,
    }
    assert as_user(owner).get(reverse(name, args=[keys[name]])).status_code == 404
