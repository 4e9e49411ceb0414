"""docker-compose.yml and Dockerfile: what an operator relies on, read from the files."""

import re

import pytest
import yaml

from tandem.runtime.places import CLONE

OURS = ("web", "worker", "tick", "beat")
SECRETS = re.compile(r"PASSWORD|SECRET|KEY|TOKEN", re.IGNORECASE)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((CLONE / "docker-compose.yml").read_text(encoding="utf-8"))


def test_one_image_serves_web_worker_and_beat(compose):
    images = {compose["services"][name]["image"] for name in OURS}
    assert len(images) == 1


def test_every_service_has_a_health_check(compose):
    assert all("test" in service["healthcheck"] for service in compose["services"].values())


def test_everything_starts_after_what_it_needs_is_healthy(compose):
    services = compose["services"]
    for name in OURS:
        conditions = services[name]["depends_on"]
        assert conditions, name
        assert all(each == {"condition": "service_healthy"} for each in conditions.values())
    assert set(services["web"]["depends_on"]) == {"postgres", "redis"}


def test_no_secret_stands_in_the_file(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRETS.search(name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{name} must come from the environment"
            else:
                bare = re.sub(r"\$\{[^}]*\}", "", value)
                assert not re.search(r"//[^/@]*:[^/@]+@", bare), f"{name} holds a literal password"


def test_every_variable_is_explained_in_the_example(compose):
    text = (CLONE / "docker-compose.yml").read_text(encoding="utf-8")
    example = (CLONE / ".env.example").read_text(encoding="utf-8")
    names = set(re.findall(r"\$\{(\w+):", text)) - {"PORT", "TANDEM_VERSION"}
    assert not {name for name in names if name not in example}
    settings = (CLONE / "tandem" / "settings.py").read_text(encoding="utf-8")
    internal = {"TANDEM_DEMO", "TANDEM_TESTING", "TANDEM_BUILDING"}
    read = set(re.findall(r'"(TANDEM_\w+|DATABASE_URL|REDIS_URL)"', settings)) - internal
    assert not {name for name in read if name not in example}


def test_every_queue_has_a_worker(compose, settings):
    commands = " ".join(compose["services"][name].get("command", "") for name in ("worker", "tick"))
    queues = {word for found in re.findall(r"--queues (\S+)", commands) for word in found.split(",")}
    assert queues == {queue.name for queue in settings.CELERY["task_queues"]}


def test_the_image_does_not_run_as_root():
    lines = (CLONE / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER tandem"
