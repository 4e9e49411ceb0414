"""The embedded servers, really started: in a folder of their own, not the clone's."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from tandem.runtime import RuntimeProblem, Services
from tandem.runtime.places import CLONE, SOCKETS_PLACE, Account, clone_hash, private_folder
from tandem.runtime.processes import wait_until
from tandem.runtime.services import VARIABLES


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Embedded services for a made-up clone, gone without a trace afterwards."""
    for name in (*VARIABLES, "TANDEM_ADMIN_URL"):
        monkeypatch.delenv(name, raising=False)
    services = Services(profile="check", root=tmp_path)
    yield services
    services.stop()
    Services(profile="check", root=tmp_path).reset()


def processes_of(root: Path) -> list[psutil.Process]:
    """Everything that runs for this clone: its folder's hash stands in the servers' command lines."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if clone_hash(root) in line or str(root) in line:
            found.append(process)
    return [each for each in found if each.pid != os.getpid()]


def test_both_servers_answer_and_end(alone, tmp_path):
    with alone as services:
        with psycopg.connect(services.database_url) as connection:
            who, version = connection.execute(
                "SELECT current_user, current_setting('server_version')"
            ).fetchone()
        assert who == "tandem"
        assert version.startswith("18")
        with redis.Redis.from_url(services.redis_url) as client:
            assert client.ping()
        assert processes_of(tmp_path)
    assert not processes_of(tmp_path)
    assert not list(SOCKETS_PLACE.glob(f"tandem-{clone_hash(tmp_path)}-*"))


def test_a_wrong_password_is_refused_and_nothing_listens_on_tcp(alone):
    with alone as services:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(services.database_url.replace("tandem:", "tandem:x", 1))
        with psycopg.connect(services.admin_dsn()) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
        with redis.Redis.from_url(services.redis_url) as client:
            assert client.config_get("port") == {"port": "0"}


def test_folders_and_secrets_are_closed_to_others(alone):
    with alone as services:
        places = services.places
        assert {each.stat().st_mode & 0o777 for each in (places.state, places.servers, places.sockets)} == {
            0o700
        }
        secrets = [
            places.state / name for name in ("password-tandem", "password-tandem_admin", "connection.json")
        ]
        assert {each.stat().st_mode & 0o777 for each in secrets} == {0o600}


def test_the_servers_do_not_run_as_root(alone, tmp_path):
    with alone:
        assert {each.uids().real for each in processes_of(tmp_path)} != {0}


def test_a_second_start_uses_what_runs_and_leaves_it_running(alone, tmp_path):
    with alone as first:
        with Services(profile="check", root=tmp_path) as second:
            assert first.started == ["PostgreSQL", "Valkey"]
            assert second.started == []
        with psycopg.connect(first.database_url):
            pass


def test_data_is_kept_until_it_is_reset(alone, tmp_path):
    with alone as services, psycopg.connect(services.database_url) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    with (
        Services(profile="check", root=tmp_path) as services,
        psycopg.connect(services.database_url) as connection,
    ):
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    Services(profile="check", root=tmp_path).reset()
    with (
        Services(profile="check", root=tmp_path) as services,
        psycopg.connect(services.database_url) as connection,
    ):
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_a_clone_made_again_at_the_same_path_starts_afresh(alone, tmp_path):
    with alone as services, psycopg.connect(services.database_url) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    shutil.rmtree(tmp_path / ".tandem")  # the clone was deleted; as root its servers' data was not inside
    with (
        Services(profile="check", root=tmp_path) as services,
        psycopg.connect(services.database_url) as connection,
    ):
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_what_a_kill_leaves_behind_does_not_hinder_the_next_start(alone, tmp_path):
    with alone:
        for process in processes_of(tmp_path):
            process.kill()
    with Services(profile="check", root=tmp_path) as again, psycopg.connect(again.database_url):
        assert again.started == ["PostgreSQL", "Valkey"]


def test_a_pid_file_that_names_a_stranger_does_not_hinder_the_start(alone, tmp_path):
    with alone as services:
        data = services.places.servers / "postgres-18"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    with Services(profile="check", root=tmp_path) as again:
        assert "PostgreSQL" in again.started


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_the_servers_end_when_their_starter_is_killed(alone, tmp_path):
    code = (
        "import pathlib, sys, time; from tandem.runtime import Services;"
        f"Services(profile='check', root=pathlib.Path({str(tmp_path)!r})).start();"
        "print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=CLONE, stdout=subprocess.PIPE)
    assert starter.stdout.readline() == b"up\n"
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert wait_until(lambda: not processes_of(tmp_path), seconds=100)


def test_a_given_address_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db.example/tandem")
    monkeypatch.setenv("REDIS_URL", "redis://broker.example/0")
    with Services(profile="check", root=tmp_path) as services:
        assert services.started == []
        assert services.database_url == "postgresql://me@db.example/tandem"
        assert "dbname=erp" in services.admin_dsn("erp")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    stranger = Account(uid=os.geteuid() + 12345, gid=0, name="somebody")
    (tmp_path / "taken").mkdir()
    with pytest.raises(RuntimeProblem, match="not a folder of the user somebody"):
        private_folder(tmp_path / "taken", stranger)


def test_a_link_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RuntimeProblem, match="remove it and try again"):
        private_folder(tmp_path / "link", Account(os.geteuid(), os.getegid(), "yours"))
