"""Act two and the doors for a person at the keyboard."""

import pytest
from django.core.management import CommandError, call_command

from tandem.demo import cases, people


@pytest.fixture(autouse=True)
def environment(apps, monkeypatch):
    """The commands find this module's apps."""
    monkeypatch.setattr("tandem.demo.apps.Apps.of_environment", lambda: apps)


@pytest.mark.django_db
def test_nothing_is_edited_before_the_records_are_coupled(apps):
    said = []
    assert not people.play(apps, said.append, patience=0)
    assert said == ["The records are not coupled yet; nothing was edited."]
    with apps.erp.as_admin() as erp:
        assert erp.execute("SELECT count(*) FROM customer WHERE no = 'C20014'").fetchone() == (1,)
        assert erp.execute("SELECT count(*) FROM demo.act").fetchone() == (0,)


def test_an_edit_that_was_cut_can_be_done_again(apps):
    people.sell_in_prague(apps)
    with pytest.raises(LookupError):
        people.sell_in_prague(apps)
    with apps.crm.person("jane.smith") as crm:
        crm.execute("DELETE FROM account WHERE account_number = 'P1001'")
    with pytest.raises(LookupError):
        people.change_phone(apps)  # no account of that number yet


def test_every_case_of_act_two_has_its_edit():
    assert set(people.ACTS) == {each.name for each in cases.of_act(2)}


def test_sql_shows_rows_and_saves_as_the_person(capsys):
    change = "UPDATE customer SET city = 'Zwolle' WHERE no = 'C10009'"
    call_command("demo_sql", "erp", change, "--as", "a.bakker")
    call_command("demo_sql", "erp", "SELECT city, modified_by, address_2 FROM customer WHERE no = 'C10009'")
    assert capsys.readouterr().out == "UPDATE 1\ncity\tmodified_by\taddress_2\nZwolle\ta.bakker\t\n"


def test_sql_says_what_the_app_answers():
    with pytest.raises(CommandError, match="permission denied"):
        call_command("demo_sql", "crm", "CREATE TABLE mine ()")
    call_command("demo_sql", "crm", "CREATE TABLE mine ()", "--as", "admin")
    call_command("demo_sql", "crm", "DROP TABLE mine", "--as", "admin")


def test_without_psql_a_statement_is_asked_for(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(CommandError, match="psql is not installed"):
        call_command("demo_sql", "erp")


def test_psql_is_opened_as_the_person(apps, monkeypatch):
    opened = []
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/psql")
    monkeypatch.setattr("os.execve", lambda *arguments: opened.append(arguments))
    call_command("demo_sql", "crm", "--as", "jane.smith")
    program, words, environment = opened[0]
    assert program == "/usr/bin/psql"
    assert words[-4:] == ["-U", apps.crm.people, "-d", apps.crm.database]
    assert environment["PGOPTIONS"] == "-c app.user=jane.smith"
    assert apps.crm.password(apps.crm.people) not in words
