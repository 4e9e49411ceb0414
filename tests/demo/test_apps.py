"""The two apps as they are before Tandem knows them: data, roles, and what act one of the cases needs."""

from datetime import UTC, datetime

import psycopg
import pytest

from tandem.demo import cases, databases, sample
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.seed import make_apps

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def count(app, table):
    with app.as_admin() as admin:
        return admin.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_second_start_changes_nothing(apps):
    with apps.erp.person("p.maas") as erp:
        erp.execute("UPDATE customer SET city = 'Elders' WHERE no = 'C10001'")
    before = [count(apps.erp, table) for table in ("customer", "contact", "item", "vendor", "currency")]
    assert not make_apps(apps)
    assert [
        count(apps.erp, table) for table in ("customer", "contact", "item", "vendor", "currency")
    ] == before
    with apps.erp.as_admin() as admin:
        assert admin.execute("SELECT city FROM customer WHERE no = 'C10001'").fetchone() == ("Elders",)


def test_sizes(apps):
    assert count(apps.erp, "customer") == 2_000 + len(sample.ODD_NAMES) + 12
    assert count(apps.erp, "contact") > 1_500
    assert count(apps.erp, "item") > 600
    assert count(apps.erp, "vendor") == 300
    assert count(apps.crm, "account") == count(apps.crm, "contact") == count(apps.crm, "product") == 0


def test_the_same_seed_gives_the_same_data():
    assert sample.make(NOW) == sample.make(NOW)
    assert sample.make(NOW) != sample.make(NOW, seed=1)


def test_rows_of_the_start_hold_what_the_tables_check(apps):
    """They were loaded past the triggers; every constraint holds all the same, and their stamps are old."""
    for app, stamp in ((apps.erp, "modified_at"), (apps.crm, "modified_on")):
        with app.as_admin() as admin:
            assert not admin.execute(
                "SELECT conname FROM pg_constraint WHERE NOT convalidated AND contype IN ('c', 'f')"
            ).fetchall()
            for table in ("customer", "vendor") if app is apps.erp else ("app_user", "unit"):
                assert (
                    admin.execute(
                        f"SELECT count(*) FROM {table} WHERE {stamp} > now() - interval '10 minutes'"
                    ).fetchone()[0]
                    <= 1
                )


@pytest.mark.parametrize("kind", ["erp", "crm"])
def test_roles_are_ordinary(apps, kind):
    app = getattr(apps, kind)
    with app.as_admin() as admin:
        rows = admin.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin"
            " FROM pg_roles WHERE rolname = ANY(%s) ORDER BY 1",
            [[app.owner, app.people, app.integration]],
        ).fetchall()
        assert [(name, any(powers), signs_in) for name, *powers, signs_in in rows] == [
            (app.integration, False, True),
            (app.owner, False, False),
            (app.people, False, True),
        ]
        assert not admin.execute(
            "SELECT 1 FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)",
            [[app.people, app.integration]],
        ).fetchall()
        owners = admin.execute(
            "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        assert owners == [(app.owner,)]


def test_tandem_may_do_what_its_mappings_need_and_no_more(apps):
    with apps.erp.as_role(apps.erp.integration, autocommit=True) as erp:
        for refused in (
            "UPDATE item SET description = ''",
            "INSERT INTO currency VALUES ('XXX', '')",
            "DELETE FROM exchange_rate",
            "CREATE TABLE mine ()",
            "TRUNCATE customer",
            "ALTER TABLE customer DISABLE TRIGGER USER",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                erp.execute(refused)
    with (
        apps.crm.as_role(apps.crm.integration, autocommit=True) as crm,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        crm.execute("UPDATE app_user SET phone = NULL")


def test_an_app_is_closed_to_the_roles_of_the_other(apps):
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        Apps.at(apps.erp.admin, apps.erp.base).crm.as_role(apps.erp.integration)


def test_modified_by_names_the_person(apps):
    with apps.erp.person("a.bakker") as erp:
        saved = erp.execute(
            "UPDATE customer SET city = city WHERE no = 'C10002' RETURNING modified_by, now() - modified_at < '1 min'"
        ).fetchone()
    assert saved == ("a.bakker", True)
    with apps.erp.as_role(apps.erp.integration) as erp:
        saved = erp.execute(
            "UPDATE customer SET city = city WHERE no = 'C10002' RETURNING modified_by"
        ).fetchone()
    assert saved == (apps.erp.integration,)


def customer(apps, no):
    with apps.erp.as_admin(row_factory=psycopg.rows.dict_row) as admin:
        return admin.execute("SELECT * FROM customer WHERE no = %s", [no]).fetchone()


def length(apps, table, column):
    with apps.crm.as_admin() as admin:
        return admin.execute(
            "SELECT character_maximum_length FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s AND column_name = %s",
            [table, column],
        ).fetchone()[0]


def test_preconditions_of_act_one(apps):
    assert len(customer(apps, "C20001")["name"]) == 87 > length(apps, "account", "name") == 80
    assert customer(apps, "C20002")["credit_limit"].as_tuple().exponent <= -3
    with apps.crm.as_admin() as crm:
        refused = "SELECT %s !~ '^[+(0-9]'"
        assert crm.execute(refused, [customer(apps, "C20003")["phone"]]).fetchone() == (True,)
        rates = "SELECT count(*) FROM exchange_rate WHERE iso_code = %s"
        assert crm.execute(rates, [customer(apps, "C20005")["currency_code"]]).fetchone() == (0,)
        assert crm.execute(rates, ["CZK"]).fetchone() == (1,)
    twin = customer(apps, cases.TWIN)
    assert customer(apps, "C20004")["vat_no"] == twin["vat_no"]
    assert customer(apps, "C20004")["modified_at"] > twin["modified_at"]
    with apps.erp.as_admin() as erp:
        assert erp.execute("SELECT discontinued FROM currency WHERE code = 'DEM'").fetchone() == (True,)
        assert erp.execute("SELECT count(*) FROM exchange_rate WHERE currency_code = 'CZK'").fetchone() == (
            0,
        )
        assert erp.execute("SELECT count(*) FROM exchange_rate WHERE currency_code = 'ISK'").fetchone() == (
            1,
        )
        unit = erp.execute("SELECT description FROM unit_of_measure WHERE code = 'EUROPAL'").fetchone()[0]
        contacts = erp.execute(
            "SELECT c.no, count(*) FROM contact JOIN customer c ON c.id = customer_id"
            " WHERE c.no LIKE 'C2%' GROUP BY 1"
        ).fetchall()
    assert len(unit) == 42 > length(apps, "unit", "name") == 30
    assert contacts == [("C20001", 1)], "a deleted customer must not be held back by its contacts"


def test_only_the_cases_are_wrong(apps):
    """Everything else fits into the CRM: nothing but the cases may fail."""
    with apps.erp.as_admin() as erp:
        fine = "no NOT LIKE 'C200%%' AND NOT blocked"
        assert not erp.execute(
            f"SELECT no FROM customer WHERE {fine} AND (length(name) > 80 OR credit_limit <> round(credit_limit, 2)"
            " OR phone !~ '^[+(0-9][-0-9 ().x/]*$' OR currency_code IN ('CZK', 'ISK', 'DEM', 'NLG'))"
        ).fetchall()
        assert not erp.execute(
            "SELECT vat_no FROM (SELECT vat_no, no FROM customer UNION ALL SELECT vat_no, no FROM vendor) each"
            " WHERE no <> 'C20004' GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
        assert not erp.execute(
            "SELECT no FROM vendor WHERE length(name) > 80 OR phone !~ '^[+(0-9][-0-9 ().x/]*$'"
        ).fetchall()
        assert erp.execute(
            "SELECT array_agg(no ORDER BY no) FROM item WHERE unit_price <> round(unit_price, 2)"
        ).fetchone() == (["70002"],)


def test_the_erp_refuses_a_currency_without_rate_in_its_own_words(apps):
    with (
        pytest.raises(
            psycopg.Error, match="There is no Currency Exchange Rate for Currency Code CZK"
        ) as caught,
        apps.erp.as_role(apps.erp.integration) as erp,
    ):
        erp.execute("INSERT INTO customer (name, currency_code) VALUES ('x', 'CZK')")
    assert caught.value.sqlstate == "ERP01"


def test_without_a_server_it_says_what_to_set(monkeypatch):
    monkeypatch.delenv("TANDEM_ADMIN_URL", raising=False)
    with pytest.raises(DemoProblem, match="TANDEM_ADMIN_URL="):
        Apps.of_environment()


def test_a_server_that_refuses_is_named(pg_admin):
    apps = Apps.at(pg_admin("no_such_database"), "tandem_test_none")
    with pytest.raises(DemoProblem, match="tandem_test_none_erp could not be made: .*no_such_database"):
        databases.make(apps.erp)


def test_every_case_is_named_once():
    names = [each.name for each in cases.CASES]
    assert len(set(names)) == len(names)
