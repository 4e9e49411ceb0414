"""`make demo` as a whole, in a copy of the clone: it comes up, and nothing survives its end."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from types import SimpleNamespace

import psutil
import pytest

from tandem.runtime import RuntimeProblem, demo
from tandem.runtime.demo import choose_port
from tandem.runtime.places import CLONE
from tandem.runtime.processes import wait_until
from tandem.runtime.services import VARIABLES

READY_SECONDS = 240
END_SECONDS = 120
LEFT_OUT = shutil.ignore_patterns(  # what other tests write to while it is copied, among others
    ".venv", ".tandem", ".git", "tests", ".*_cache", ".hypothesis", "__pycache__", "node_modules"
)


@pytest.fixture(scope="module")
def outside():
    """The environment of somebody who just opened a terminal: nothing of this test run in it."""
    inside = ("TANDEM_", "DJANGO_", *VARIABLES)
    return {name: value for name, value in os.environ.items() if not name.startswith(inside)}


@pytest.fixture(scope="module")
def copy(tmp_path_factory, outside):
    """A clone of its own, with this one's installed packages. Later starts find the data of the first."""
    clone = tmp_path_factory.mktemp("demo") / "clone"
    shutil.copytree(CLONE, clone, ignore=LEFT_OUT)
    (clone / ".venv").symlink_to(CLONE / ".venv")
    yield clone
    subprocess.run(["make", "demo-reset"], cwd=clone, env=outside, check=True, capture_output=True)


def free_port() -> int:
    """Below those that systems give to whoever asks for any: other tests do so until the demo takes it."""
    for port in random.sample(range(10_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def at_a_terminal() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, and children inherit that; a terminal does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not (CLONE / ".venv").exists() or not shutil.which("make"), reason="needs make and its .venv"
)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_make_demo_comes_up_and_leaves_no_process_behind(copy, outside, how):
    if how is signal.SIGKILL and not sys.platform.startswith("linux"):
        pytest.skip("only Linux ends children with their parent")
    port = free_port()
    environment = outside | {"PORT": str(port)}
    with (copy / "said.txt").open("wb") as said:
        make = subprocess.Popen(
            ["make", "demo"],
            cwd=copy,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=at_a_terminal,
        )
    address = f"http://127.0.0.1:{port}/"
    wait_until(
        lambda: address in (copy / "said.txt").read_text() or make.poll() is not None, seconds=READY_SECONDS
    )
    text = (copy / "said.txt").read_text()
    assert address in text, text
    with urllib.request.urlopen(f"{address}healthz") as answer:
        assert answer.status == 200
    everyone = family(psutil.Process(make.pid))
    names = " ".join(" ".join(each.cmdline()) for each in everyone)
    assert all(word in names for word in ("postgres", "valkey", "gunicorn", "worker", "beat")), names

    if how is signal.SIGINT:
        os.killpg(make.pid, how)  # Ctrl-C: the terminal tells the whole group
    else:
        make.send_signal(how)
    try:
        make.wait(END_SECONDS)
        _, alive = psutil.wait_procs(everyone, timeout=END_SECONDS)
        assert not alive, f"{alive}\n{(copy / 'said.txt').read_text()}"
    finally:
        for each in everyone:
            if each.is_running():  # a failed test leaves nothing behind either
                each.kill()


def test_a_taken_port_is_named_in_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeProblem, match=f"Port {port} is taken"):
            choose_port(str(port))


def test_without_a_wish_the_next_free_port_is_taken(monkeypatch):
    monkeypatch.setattr("tandem.runtime.demo._is_free", lambda port: port >= 8002)
    assert choose_port("") == 8002


@pytest.mark.parametrize("wish", ["x", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(wish):
    with pytest.raises(RuntimeProblem, match="write a number"):
        choose_port(wish)


@pytest.mark.parametrize(
    ("wish", "profile"), [("", "demo"), ("databases", "demo"), ("dataverse", "demo-dataverse")]
)
def test_each_choice_of_apps_has_data_of_its_own(wish, profile):
    assert demo.profile_of(wish) == profile


@pytest.mark.parametrize("wish", ["Dataverse", "sap", "mixed apps", "../x", "'"])
def test_apps_that_are_none_are_refused_in_one_sentence(wish):
    with pytest.raises(RuntimeProblem) as refused:
        demo.profile_of(wish)
    assert repr(wish) in str(refused.value) and "make demo APPS=dataverse" in str(refused.value)


def test_an_online_app_keeps_its_port(tmp_path, monkeypatch):
    services = SimpleNamespace(places=SimpleNamespace(state=tmp_path))
    free = {8100: True, 8101: True, 8102: True}
    monkeypatch.setattr(demo, "_is_free", lambda port: free.get(port, False))
    assert demo._online_port(services, "business_central", set()) == 8100
    assert demo._online_port(services, "dataverse", {8100}) == 8101
    assert demo._online_port(services, "dataverse", {8100}) == 8101
    free[8101] = False
    assert demo._online_port(services, "dataverse", {8100}) == 8102
    assert demo._online_port(services, "dataverse", {8100}) == 8102
    free.clear()
    with pytest.raises(RuntimeProblem, match="all taken"):
        demo._online_port(services, "dataverse", set())
