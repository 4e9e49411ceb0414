"""Help pages: what they say of one failure, to whom they offer what, and that nothing of the hidden comes through."""

from __future__ import annotations

import pytest
from django.urls import reverse

from synccore.models import Problem, SynchJobError
from synccore.models.ledger import replace_stat
from tests import factories as make

GRANT = 'GRANT UPDATE ON "account" TO "tandem_crm";'


def help_page(code: str, **query: object) -> str:
    where = reverse("errors:help", args=[code])
    return where + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_missing_right_names_user_right_and_the_grant_to_copy(world, administrator, as_user):
    Problem.objects.filter(pk=world.setup.pk).update(params=world.setup.params | {"grant": GRANT})
    text = text_of(as_user(administrator).get(help_page("missing_privilege", problem=world.setup.pk)))
    assert "tandem_crm lacks UPDATE on account." in text
    assert "CRM answered:" in text and "permission denied for table account" in text
    assert "GRANT UPDATE ON &quot;account&quot; TO &quot;tandem_crm&quot;;" in text
    assert "Whoever runs CRM" in text and "Why it happens" in text
    assert "Hoofdgebruiker" in text and "Hovedbruker" in text
    assert f'action="{reverse("synccore:check_now", args=[world.setup.pk])}"' in text


def test_the_set_up_is_offered_to_nobody_else(world, owner, as_user):
    text = text_of(as_user(owner).get(help_page("missing_privilege", problem=world.setup.pk)))
    assert "test" not in text.split("<main")[1].split("Who can do it")[0].lower().split("what to do")[1]


def test_a_record_of_an_entry_can_be_acted_on_from_its_help(world, owner, as_user):
    text = text_of(as_user(owner).get(help_page("value_too_long", entry=world.entry.pk)))
    assert "Trey Research" in text and '<dt>Limit</dt><dd class="fact"><bdi>50</bdi>' in text
    assert f'action="{reverse("errors:entry", args=[world.entry.pk])}"' in text
    assert 'name="retry"' in text
    answer = as_user(owner).post(reverse("errors:entry", args=[world.entry.pk]), {"retry": world.entry.pk})
    assert answer.url == reverse("errors:entry", args=[world.entry.pk])
    world.rejected.refresh_from_db()
    assert world.rejected.requested_by == owner


def test_a_viewer_is_offered_nothing(world, viewer, as_user):
    text = text_of(as_user(viewer).get(help_page("value_too_long", problem=world.rejected.pk)))
    assert 'name="retry"' not in text and "Who can do it" in text


def test_a_failure_of_hidden_records_is_as_if_it_were_not_there(world, owner, as_user):
    make.make_entry(world.secret)
    entry = SynchJobError.objects.get(problem_id=world.secret.pk)
    plain = text_of(as_user(owner).get(help_page("value_too_long")))
    for query in ({"problem": world.secret.pk}, {"entry": entry.pk}):
        text = text_of(as_user(owner).get(help_page("value_too_long", **query)))
        assert "Salary" not in text and "Retry" not in text
        assert text.split("<main")[1] == plain.split("<main")[1]


def test_the_address_of_another_code_leads_to_the_right_one(world, administrator, as_user):
    answer = as_user(administrator).get(help_page("bug", problem=world.conflict.pk))
    assert answer.url == help_page("update_conflict", problem=world.conflict.pk)


@pytest.mark.parametrize("code", ["no_such_code", "UPPER", "a.b"])
def test_an_unknown_code_is_not_found(world, administrator, as_user, code):
    assert as_user(administrator).get(f"/help/{code}/").status_code == 404


@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 30])
def test_nonsense_in_the_address_gives_the_plain_page(world, administrator, as_user, value):
    assert "What it means" in text_of(as_user(administrator).get(help_page("bug", problem=value)))


def test_a_code_of_a_customers_own_pattern_has_help_where_its_failure_is_named(world, administrator, as_user):
    problem = make.make_problem(
        make.make_coupling(world.mapping),
        kind="rejected",
        code="XY-123",
        app_message="<b>Nope</b>",
        side="right",
    )
    text = text_of(as_user(administrator).get(help_page("XY-123", problem=problem.pk)))
    assert "CRM refuses the record" in text and "&lt;b&gt;Nope&lt;/b&gt;" in text


def test_how_many_have_it_now_leads_to_them(world, owner, administrator, as_user):
    make.make_problem(make.make_coupling(world.hidden), code="update_conflict", kind="conflict")
    replace_stat()
    assert "2 records have this now" in text_of(as_user(administrator).get(help_page("update_conflict")))
    text = text_of(as_user(owner).get(help_page("update_conflict")))
    assert "1 record has this now" in text
    where = reverse("coupling:coupled") + "?tab=all&code=update_conflict"
    page = as_user(owner).get(where)
    assert [problem.pk for problem in page.context["page"].rows] == [world.conflict.pk]
    assert "Changed in both apps" in page.content.decode().split('class="pills"')[1].split("</ul>")[0]


def test_all_guides_are_listed_and_found_by_words_and_by_the_old_wording(world, administrator, as_user):
    browser = as_user(administrator)
    where = reverse("errors:help_index")
    from synccore.guides import all_help

    everything = text_of(browser.get(where))
    assert all(help_page(each.code) in everything for each in all_help())
    old = "Kan de klantrecord niet bijwerken omdat deze een latere wijzigingsdatum heeft dan de accountrecord"
    found = text_of(browser.get(where, {"q": old}))
    assert help_page("update_conflict") in found and help_page("bug") not in found
    assert help_page("value_too_long") in text_of(browser.get(where, {"q": "characters room"}))
    assert "No guide has these words." in text_of(browser.get(where, {"q": "zebra"}))


def test_the_diary_links_to_the_help_of_every_entry(world, administrator, as_user):
    text = text_of(as_user(administrator).get(reverse("errors:entries") + "?tab=entries"))
    assert help_page("value_too_long", entry=world.entry.pk) in text


def test_the_desk_finds_a_conflict_by_the_wording_of_business_central(world, owner, as_user):
    old = "Cannot update the Customer record because it has a later modified date than the Account record"
    page = as_user(owner).get(reverse("coupling:coupled"), {"tab": "all", "q": old})
    assert [problem.pk for problem in page.context["page"].rows] == [world.conflict.pk]


def test_panels_and_banners_lead_to_help(world, owner, as_user):
    browser = as_user(owner)
    text = text_of(browser.get(reverse("coupling:problem", args=[world.conflict.pk])))
    assert help_page("update_conflict", problem=world.conflict.pk) in text
    assert "Known in Business Central as" in text
    text = text_of(browser.get(reverse("coupling:coupled")))
    assert help_page("missing_privilege", problem=world.setup.pk) in text
