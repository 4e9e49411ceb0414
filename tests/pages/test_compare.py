"""The comparison of one record: who sees what, what calls an app, what is decided, and what stops it."""

from __future__ import annotations

import re
import threading

import pytest
from django.db import connection, connections, transaction
from django.urls import get_resolver, reverse

from coupling.compare import differs_in_format_only, readable
from synccore import jobs
from synccore.failures import Transient
from synccore.models import Connection, FieldMapping, JobItem, Problem, SynchJob
from synccore.models.scoping import GrantLevel
from synccore.services import live
from synccore.shapes import FieldInfo, FieldType, Side
from tests import factories as make
from tests.jobs.helpers import pair
from tests.jobs.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_hears(monkeypatch):
    """No message leaves the test; jobs are run by hand."""
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)


@pytest.fixture
def duo(monkeypatch) -> World:
    """ERP and CRM with one pair in conflict over phone (and a name with HTML in it)."""
    world = World()
    Connection.objects.filter(pk=world.integration.left_id).update(name="ERP")
    Connection.objects.filter(pk=world.integration.right_id).update(name="CRM <b>")
    left, right = pair(world, "C1", phone="+32 2 555 01 00", city="Gent")
    world.left.put("customer", left, {"phone": "+32 2 555 01 77", "name": "<script>x</script>"}, by="p.maas")
    world.right.put("account", right, {"phone": "+32 2 555 01 99"}, by="a.berg")
    world.run()
    assert world.problem("C1").code == "update_conflict"
    world.ids = (left, right)
    return world


@pytest.fixture
def people(duo):
    return {
        "administrator": make.make_user("Administrator", username="anna"),
        "owner": make.make_user("Record owner", username="otto", grants={duo.mapping: GrantLevel.RESOLVE}),
        "reader": make.make_user("Record owner", username="rita", grants={duo.mapping: GrantLevel.VIEW}),
        "viewer": make.make_user("Viewer", username="vera", grants={duo.mapping: GrantLevel.VIEW}),
        "stranger": make.make_user("Record owner", username="sam"),
        "nobody": make.make_user(username="nemo"),
    }


def address(duo, name: str = "compare") -> str:
    return reverse(f"coupling:{name}", args=[duo.coupling("C1").pk])


def unit(duo, field: str) -> str:
    return f"field:{FieldMapping.objects.get(mapping=duo.mapping, left_field=field).pk}"


def token(answer) -> str:
    return answer.context["token"]


def rows(answer) -> dict[str, str]:
    """What happens to each field, by its label."""
    shown = answer.context["shown"]
    return {row.label: row.fate for row in [*shown.rows, *shown.equal]}


def decide(browser, duo, *, where: str = "live_compare", follow=True, **choices: str):
    seen = browser.get(address(duo, where))
    data = {f"choice:{unit(duo, field)}": side for field, side in choices.items()}
    return browser.post(address(duo), {"token": token(seen), **data}, follow=follow)


def said(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", str(message)) for message in answer.context["messages"])


def resolve_jobs():
    return SynchJob.objects.filter(verb="resolve")


# --- who ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compare", "live_compare"])
@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("administrator", 200),
        ("owner", 200),
        ("reader", 200),
        ("viewer", 200),
        ("stranger", 404),
        ("nobody", 403),
    ],
)
def test_who_may_look(duo, people, as_user, name, who, status):
    assert as_user(people[who]).get(address(duo, name)).status_code == status


@pytest.mark.parametrize("who", ["reader", "viewer"])
def test_who_may_only_view_sees_no_choice_and_reads_who_can(duo, people, as_user, who):
    text = as_user(people[who]).get(address(duo, "live_compare")).content.decode()
    assert "+32 2 555 01 77" in text
    assert 'type="radio"' not in text
    assert "data-apply" not in text
    expected = "An administrator of Tandem can grant it" if who == "reader" else "These groups have it"
    assert expected in text


@pytest.mark.parametrize(
    ("who", "status"), [("reader", 403), ("viewer", 403), ("stranger", 404), ("nobody", 403)]
)
def test_who_may_not_decide_is_refused_on_the_server(duo, people, as_user, who, status):
    signed = token(as_user(people["owner"]).get(address(duo)))
    data = {"token": signed, f"choice:{unit(duo, 'phone')}": "left"}
    assert as_user(people[who]).post(address(duo), data).status_code == status
    assert not resolve_jobs().exists()


def test_half_a_coupling_cannot_be_compared(duo, people, as_user):
    half = make.make_coupling(duo.mapping, right_id=None)
    assert as_user(people["owner"]).get(reverse("coupling:compare", args=[half.pk])).status_code == 404


# --- what is asked of the apps --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compare", "live_compare"])
def test_looking_never_writes(duo, people, as_user, name):
    browser = as_user(people["owner"])
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        assert browser.get(address(duo, name)).status_code == 200


def test_only_the_live_address_calls_an_app(duo, people, as_user):
    called = []
    for app in (duo.left, duo.right):
        app.faults.hook = lambda when, method: called.append(method)
    browser = as_user(people["owner"])
    assert browser.get(address(duo)).status_code == 200
    decide(browser, duo, where="compare", phone="left")
    assert called == []
    browser.get(address(duo, "live_compare"))
    assert set(called) == {"fetch"}


def test_every_live_address_is_known_here():
    """What calls an app while a person waits: GET, checked, limited. A new one comes with tests like these."""
    found = {
        each.name
        for pattern in get_resolver().url_patterns
        for each in getattr(pattern, "url_patterns", [])
        if str(each.pattern).startswith("live/")
    }
    assert found == {
        "live_catalogue",
        "live_compare",
        "live_couple",
        "live_edit",
        "live_problem",
        "live_record",
        "live_records",
    }


def test_live_takes_no_post(duo, people, as_user):
    assert as_user(people["administrator"]).post(address(duo, "live_compare")).status_code == 405


def test_live_answers_a_fragment_to_htmx_and_a_page_to_everybody_else(duo, people, as_user):
    browser = as_user(people["owner"])
    part = browser.get(address(duo, "live_compare"), headers={"HX-Request": "true"}).content.decode()
    whole = browser.get(address(duo, "live_compare")).content.decode()
    assert part.lstrip().startswith('<div id="compare-region"')
    assert "<h1" not in part
    assert len(re.findall("<h1", whole)) == 1
    assert "hx-get" not in part + whole  # it never asks again by itself


def test_an_app_that_does_not_answer_is_named_and_what_was_kept_is_shown(duo, people, as_user):
    duo.right.faults.fail = [Transient("connection_lost", {"app": "CRM <b>", "user": "tandem"})]
    answer = as_user(people["owner"]).get(address(duo, "live_compare"))
    text = answer.content.decode()
    assert "CRM &lt;b&gt; could not be read:" in text
    assert "What stands below is what Tandem kept." in text
    assert "Values as kept when the conflict was found," in text
    assert "+32 2 555 01 99" in text
    assert answer.context["pair"].live == frozenset()


def test_a_slow_app_is_not_waited_for(duo, people, as_user, monkeypatch):
    release = threading.Event()
    duo.right.faults.hook = lambda when, method: release.wait(20) if when == "before" else None
    monkeypatch.setattr(live.read_pair, "__kwdefaults__", {"longest": 0.2})
    try:
        text = as_user(people["owner"]).get(address(duo, "live_compare")).content.decode()
    finally:
        release.set()
    assert "CRM &lt;b&gt; did not answer within 5 seconds." in text


def test_a_person_who_waits_gets_a_connector_with_short_limits():
    slow = make.make_connection(
        kind="postgresql", options={"dbname": "x", "user": "u", "statement_timeout": 50}
    )
    slow.options["lock_timeout"] = 1
    assert slow._short(3) == {"connect_timeout": 3, "lock_timeout": 1, "statement_timeout": 3}
    assert slow.connect(longest=3)._database.session._settings["statement_timeout"] == "3s"
    assert slow.connect()._database.session._settings["statement_timeout"] == "50s"


@pytest.mark.django_db(transaction=True)
def test_four_people_at_once_read_from_one_app_and_the_fifth_is_told(duo, people, as_user):
    """The slots are held on other connections of our database, as other processes hold them."""
    ready, done = threading.Barrier(live.AT_ONCE + 1), threading.Event()

    def hold() -> None:
        with live._slot(duo.integration.right_id) as got:
            assert got
            ready.wait(100)
            done.wait(100)
        connections.close_all()

    threads = [threading.Thread(target=hold) for _ in range(live.AT_ONCE)]
    for thread in threads:
        thread.start()
    ready.wait(100)
    try:
        text = as_user(people["owner"]).get(address(duo, "live_compare")).content.decode()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert "Four people read from CRM &lt;b&gt; at this moment" in text
    again = as_user(people["owner"]).get(address(duo, "live_compare"))
    assert again.context["pair"].live == frozenset({Side.LEFT, Side.RIGHT})


# --- what is shown --------------------------------------------------------------------------------------


def test_conflicts_first_what_flows_by_itself_next_and_equal_fields_folded(duo, people, as_user):
    answer = as_user(people["owner"]).get(address(duo, "live_compare"))
    assert [(row.label, row.fate) for row in answer.context["shown"].rows] == [
        ("phone", "conflict"),
        ("name", "joined"),
    ]
    text = answer.content.decode()
    assert "only ERP changed it: goes to CRM &lt;b&gt;" in text
    assert "2 fields are equal" in text
    assert "last saved" in text
    assert "by p.maas" in text
    assert "by a.berg" in text


def test_what_was_kept_says_the_same_without_values_it_does_not_have(duo, people, as_user):
    answer = as_user(people["owner"]).get(address(duo))
    assert rows(answer) == {"phone": "conflict", "name": "joined", "no": "equal", "city": "equal"}
    text = answer.content.decode()
    assert "+32 2 555 01 77" in text
    assert "+32 2 555 01 99" in text
    assert "not kept" in text


@pytest.mark.parametrize("name", ["compare", "live_compare"])
def test_nothing_is_chosen_beforehand(duo, people, as_user, name):
    text = as_user(people["owner"]).get(address(duo, name)).content.decode()
    assert len(re.findall('type="radio"', text)) == 2
    assert not re.search(r'type="radio"[^>]*checked', text)
    assert len(re.findall(r'type="radio"[^>]*required', text)) == 2


@pytest.mark.parametrize(
    ("button", "chosen"), [("left", "left"), ("right", "right"), ("newest", "right"), ("x", "")]
)
def test_use_one_app_for_all_conflicts_without_javascript(duo, people, as_user, button, chosen):
    duo.right.clock = duo.left.clock.replace(year=2030)
    duo.right.put("account", duo.ids[1], {"phone": "+32 2 555 01 98"}, by="a.berg")
    answer = as_user(people["owner"]).get(address(duo, "live_compare"), {"choose": button})
    assert [row.chosen for row in answer.context["shown"].conflicts] == [chosen]
    assert "Most recently saved (CRM &lt;b&gt;," in answer.content.decode()
    assert not resolve_jobs().exists()


def test_most_recently_saved_is_not_offered_where_nobody_can_tell(duo, people, as_user):
    for app, table, id in zip((duo.left, duo.right), ("customer", "account"), duo.ids, strict=True):
        app.put(table, id, {}, stamp=None)
    text = as_user(people["owner"]).get(address(duo, "live_compare")).content.decode()
    assert "Most recently saved" not in text
    assert "is not told by the app" in text


def test_text_of_an_app_is_data(duo, people, as_user):
    text = as_user(people["owner"]).get(address(duo, "live_compare")).content.decode()
    assert "<script>x" not in text
    assert "&lt;script&gt;x&lt;/script&gt;" in text
    assert "CRM <b>" not in text


def test_a_group_is_one_choice(duo, people, as_user):
    FieldMapping.objects.filter(mapping=duo.mapping, left_field__in=("phone", "city")).update(group="address")
    duo.change_mapping()
    answer = as_user(people["owner"]).get(address(duo, "live_compare"))
    [row] = answer.context["shown"].conflicts
    assert (row.name, [line.label for line in row.lines]) == ("group:address", ["phone", "city"])
    assert answer.content.decode().count('type="radio"') == 2
    assert '<span class="muted small">group</span>' in answer.content.decode()
    assert "1 field is equal" in answer.content.decode()
    assert [line.differs for line in row.lines] == [True, False]  # only what differs can be lost


def test_fields_are_called_as_in_both_apps(duo, people, as_user):
    def call(field, left, right):
        row = FieldMapping.objects.get(mapping=duo.mapping, left_field=field)
        row.left_info, row.right_info = row.left_info | {"label": left}, row.right_info | {"label": right}
        row.save()

    call("phone", "Phone No.", "Main Phone")
    call("city", "City", "city")
    shown = as_user(people["owner"]).get(address(duo, "live_compare")).context["shown"]
    called = {line.label: line.other_label for row in (*shown.rows, *shown.equal) for line in row.lines}
    assert called["Phone No."] == "Main Phone"
    assert called["City"] == "", "the same word twice says nothing"


def test_a_one_way_field_says_that_it_replaces_an_edit(duo, people, as_user):
    FieldMapping.objects.filter(mapping=duo.mapping, left_field="city").update(direction="to_right")
    duo.right.put("account", duo.ids[1], {"city": "Aalst"}, by="a.berg")
    answer = as_user(people["owner"]).get(address(duo, "live_compare"))
    assert rows(answer)["city"] == "one_way"
    assert "one way: ERP’s value replaces the edit in CRM &lt;b&gt;" in answer.content.decode()


def test_where_the_sides_last_agreed_on_different_values_both_are_shown(duo, people, as_user):
    coupling = duo.coupling("C1")
    rule = unit(duo, "phone").partition(":")[2]
    coupling.right_base[rule][1] = '"0032 2 555 01 00"'
    coupling.save()
    answer = as_user(people["owner"]).get(address(duo, "live_compare"))
    [line] = answer.context["shown"].conflicts[0].lines
    assert [(app, value.html) for app, value in line.agreed] == [
        ("ERP", "+32 2 555 01 00"),
        ("CRM <b>", "0032 2 555 01 00"),
    ]


def test_only_formatting_is_said(duo, people, as_user):
    duo.right.put("account", duo.ids[1], {"phone": "+32 (2) 5550177"}, by="a.berg")
    answer = as_user(people["owner"]).get(address(duo, "live_compare"))
    assert answer.context["shown"].conflicts[0].only_formatting
    assert "only formatting" in answer.content.decode()


@pytest.mark.parametrize("who", ["administrator", "owner"])
@pytest.mark.parametrize("name", ["compare", "live_compare"])
def test_sensitive_values_are_only_for_those_who_may_see_them(duo, people, as_user, who, name):
    FieldMapping.objects.filter(mapping=duo.mapping).update(sensitive=True)
    text = as_user(people[who]).get(address(duo, name)).content.decode()
    shown = "555 01 77" in text
    assert shown is (who == "administrator")
    assert ('<span class="none">hidden</span>' in text) is (who == "owner")


def test_a_sensitive_field_can_be_decided_without_seeing_it(duo, people, as_user):
    FieldMapping.objects.filter(mapping=duo.mapping).update(sensitive=True)
    decide(as_user(people["owner"]), duo, phone="left")
    jobs.run(resolve_jobs().get().pk)
    assert duo.rows(Side.RIGHT)[duo.ids[1]]["phone"] == "+32 2 555 01 77"


def test_a_deleted_record_leaves_nothing_to_compare_and_says_what_decides(duo, people, as_user):
    duo.right.remove("account", duo.ids[1])
    answer = as_user(people["owner"]).get(address(duo, "live_compare"))
    text = answer.content.decode()
    assert "The record is not in CRM &lt;b&gt; any more. Restore Records" in text
    assert "data-apply" not in text


def test_a_record_outside_the_filter_is_left_alone(duo, people, as_user):
    duo.mapping.left_filter = [{"field": "city", "operator": "eq", "value": '"Oslo"'}]
    duo.mapping.save()
    text = as_user(people["owner"]).get(address(duo, "live_compare")).content.decode()
    assert "The record in ERP is outside the filter" in text
    assert "data-apply" not in text


def test_a_pair_in_sync_has_nothing_to_choose(duo, people, as_user):
    pair(duo, "C2", phone="1")
    where = reverse("coupling:live_compare", args=[duo.coupling("C2").pk])
    answer = as_user(people["owner"]).get(where)
    assert answer.context["shown"].rows == []
    text = answer.content.decode()
    assert "4 fields are equal" in text
    assert "Nothing differs from what the two last agreed on" in text
    assert 'type="radio"' not in text
    assert "data-apply" not in text


def test_a_problem_that_is_no_conflict_any_more_is_ended_by_synchronizing(duo, people, as_user):
    duo.right.put("account", duo.ids[1], {"phone": "+32 2 555 01 77"}, by="a.berg")
    browser = as_user(people["owner"])
    answer = browser.get(address(duo, "live_compare"))
    assert answer.context["shown"].conflicts == []
    assert "Synchronize now</button>" in answer.content.decode()
    browser.post(address(duo), {"token": token(answer)})
    jobs.run(resolve_jobs().get().pk)
    assert duo.problem("C1") is None
    assert duo.rows(Side.RIGHT)[duo.ids[1]]["name"] == "<script>x</script>"


# --- the decision ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["compare", "live_compare"])
def test_apply_starts_a_job_that_carries_out_what_was_chosen(duo, people, as_user, where):
    answer = decide(as_user(people["owner"]), duo, where=where, phone="right")
    job = resolve_jobs().get()
    assert answer.redirect_chain[-1][0] == reverse("synccore:job", args=[job.pk])
    assert "is read again and synchronized now" in said(answer)
    assert (job.requested_by, job.options["units"]) == (people["owner"], {unit(duo, "phone"): "right"})
    jobs.run(job.pk)
    assert duo.rows(Side.LEFT)[duo.ids[0]]["phone"] == "+32 2 555 01 99"
    assert duo.rows(Side.RIGHT)[duo.ids[1]]["name"] == "<script>x</script>"


def test_a_conflict_without_a_choice_is_asked_again(duo, people, as_user):
    browser = as_user(people["owner"])
    answer = decide(browser, duo, where="compare")
    assert answer.status_code == 422
    assert "Each conflict needs a choice" in answer.content.decode()
    assert not resolve_jobs().exists()


@pytest.mark.parametrize("bad", ["", "x", "forged"])
def test_a_page_that_is_not_ours_decides_nothing(duo, people, as_user, bad):
    browser = as_user(people["owner"])
    signed = token(browser.get(address(duo)))[:-3] + "abc" if bad == "forged" else bad
    answer = browser.post(
        address(duo), {"token": signed, f"choice:{unit(duo, 'phone')}": "left"}, follow=True
    )
    assert "nothing was written" in said(answer)
    assert not resolve_jobs().exists()


def test_the_page_of_another_record_decides_nothing(duo, people, as_user):
    pair(duo, "C2")
    browser = as_user(people["owner"])
    signed = token(browser.get(address(duo)))
    browser.post(reverse("coupling:compare", args=[duo.coupling("C2").pk]), {"token": signed})
    assert not resolve_jobs().exists()


def test_what_changed_meanwhile_is_named_and_leads_back(duo, people, as_user):
    browser = as_user(people["owner"])
    decide(browser, duo, phone="left")
    duo.right.put("account", duo.ids[1], {"phone": "+32 2 555 01 55"}, by="a.berg")
    job = resolve_jobs().get()
    jobs.run(job.pk)
    assert JobItem.objects.get(job=job).state == JobItem.State.NOT_APPLICABLE
    text = browser.get(reverse("synccore:job", args=[job.pk])).content.decode()
    assert "changed meanwhile: phone in CRM &lt;b&gt;" in text
    assert f'href="{address(duo)}"' in text
    assert duo.rows(Side.RIGHT)[duo.ids[1]]["phone"] == "+32 2 555 01 55"
    assert duo.rows(Side.LEFT)[duo.ids[0]]["phone"] == "+32 2 555 01 77"
    again = browser.get(address(duo, "live_compare")).content.decode()
    assert "The last decision was not carried out, changed meanwhile: phone in CRM &lt;b&gt;" in again
    assert "+32 2 555 01 55" in again


def test_the_second_person_sees_who_is_deciding(duo, people, as_user):
    second = as_user(people["owner"])
    signed = token(second.get(address(duo)))
    decide(as_user(people["administrator"]), duo, phone="left")
    text = second.get(address(duo)).content.decode()
    assert "anna decided this record and it is being carried out" in text
    assert "data-apply" not in text
    answer = second.post(
        address(duo), {"token": signed, f"choice:{unit(duo, 'phone')}": "right"}, follow=True
    )
    assert "anna decided this record a moment ago" in said(answer)
    assert resolve_jobs().count() == 1


def test_the_second_person_sees_who_decided_and_when(duo, people, as_user):
    second = as_user(people["owner"])
    signed = token(second.get(address(duo)))
    decide(as_user(people["administrator"]), duo, phone="left")
    jobs.run(resolve_jobs().get().pk)
    answer = second.post(
        address(duo), {"token": signed, f"choice:{unit(duo, 'phone')}": "right"}, follow=True
    )
    assert "This was decided meanwhile by anna: Fixed. Nothing more was written." in said(answer)
    assert resolve_jobs().count() == 1
    assert "Its last problem ended: Fixed, by anna" in answer.content.decode()


# --- where it is offered --------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["coupling:coupled", "coupling:skipped"])
def test_synchronize_of_one_record_opens_the_comparison(duo, people, as_user, where):
    problem = Problem.objects.get(coupling=duo.coupling("C1"))
    answer = as_user(people["owner"]).post(reverse(where), {"synchronize": str(problem.pk)})
    assert answer.url == address(duo)
    assert not resolve_jobs().exists()


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_the_problem_leads_to_the_comparison(duo, people, as_user, who):
    problem = Problem.objects.get(coupling=duo.coupling("C1"))
    text = as_user(people[who]).get(reverse("coupling:problem", args=[problem.pk])).content.decode()
    assert f'href="{address(duo)}"' in text


def test_synchronize_of_several_keeps_the_question(duo, people, as_user):
    problem = Problem.objects.get(coupling=duo.coupling("C1"))
    pair(duo, "C2")
    other = make.make_problem(duo.coupling("C2"))
    answer = as_user(people["owner"]).post(
        reverse("coupling:coupled"), {"synchronize": "selected", "row": [problem.pk, other.pk]}
    )
    assert "Synchronize: which version?" in answer.content.decode()


def test_synchronize_of_a_record_without_counterpart_keeps_the_question(duo, people, as_user):
    half = make.make_problem(make.make_coupling(duo.mapping, right_id=None))
    answer = as_user(people["owner"]).post(reverse("coupling:coupled"), {"synchronize": str(half.pk)})
    assert "Synchronize: which version?" in answer.content.decode()


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("Van Dijk", "van  dijk ", True),
        ("+32 2 555 01 77", "+32 (2) 555-0177", True),
        ("02/555.01.77", "025550177", True),
        ("+32 2 555 01 77", "32 2 555 01 77", False),
        ("1.5", "15", False),
        ("12345678.5", "123456785", False),
        ("A-1", "A1", False),
        ("Gent", "Gent", False),
        ("Gent", "Ghent", False),
    ],
)
def test_only_formatting(left, right, same):
    assert differs_in_format_only(left, right) is same


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("12500.125", FieldType.DECIMAL, "12,500.125"),
        ("true", FieldType.BOOLEAN, "yes"),
        ('"sha256:0123456789abcdef"', FieldType.BINARY, "binary content 0123456789ab"),
        ('"<b>"', FieldType.TEXT, "<b>"),
        ('"2026-03-02T12:00:00"', FieldType.DATETIME, "12:00:00"),
        ("no json", FieldType.TEXT, "no json"),
    ],
)
def test_values_read_as_people_write_them(text, kind, shown):
    assert readable(text, FieldInfo("f", kind)).endswith(shown)


def test_a_value_of_a_list_is_shown_with_its_caption():
    codes = FieldInfo("f", FieldType.INTEGER, options=(("3", "Customer"), ("100000000", "Reseller")))
    names = FieldInfo("f", FieldType.TEXT, options=(("", ""), ("Ship", "Ship")))
    assert [readable(text, codes) for text in ("3", "100000000", "4")] == [
        "3 Customer",
        "100000000 Reseller",
        "4",
    ]
    assert readable('"Ship"', names) == "Ship"


def test_a_pair_that_cannot_be_compared_says_why(duo, people, as_user):
    FieldMapping.objects.filter(mapping=duo.mapping, left_field="phone").update(
        to_right=[{"name": "nonsense"}]
    )
    for name in ("compare", "live_compare"):
        text = as_user(people["owner"]).get(address(duo, name)).content.decode()
        assert "The two records cannot be compared:" in text
        assert "data-apply" not in text


# --- remembered -----------------------------------------------------------------------------------------


def test_a_choice_is_remembered_for_its_field(duo, people, as_user):
    browser = as_user(people["administrator"])
    before = duo.mapping.revision
    seen = browser.get(address(duo, "live_compare"))
    assert "remember for this field" in seen.content.decode()
    phone = unit(duo, "phone")
    data = {"token": token(seen), f"choice:{phone}": "left", f"remember:{phone}": "1"}
    answer = browser.post(address(duo), data, follow=True)
    assert "the side you chose counts by itself" in said(answer)
    duo.mapping.refresh_from_db()
    owners = dict(duo.mapping.field_mappings.values_list("left_field", "owner"))
    assert {field for field, owner in owners.items() if owner} == {"phone"}
    assert owners["phone"] == "left" and duo.mapping.revision == before + 1
    assert resolve_jobs().get().options["units"] == {phone: "left"}


def test_remembering_needs_its_right_and_refused_it_decides_nothing(duo, people, as_user):
    browser = as_user(people["owner"])
    seen = browser.get(address(duo, "live_compare"))
    assert "remember for this field" not in seen.content.decode()
    phone = unit(duo, "phone")
    data = {"token": token(seen), f"choice:{phone}": "left", f"remember:{phone}": "1"}
    answer = browser.post(address(duo), data)
    assert answer.status_code == 403 and "Remember a rule" in answer.content.decode()
    assert not resolve_jobs().exists()
    assert not duo.mapping.field_mappings.exclude(owner="").exists()
