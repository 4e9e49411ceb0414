"""`make demo`: everything on this machine, for one person, until Ctrl-C.

Starts PostgreSQL and Valkey, prepares the data, then web, two workers and beat; prints where to sign in.
Whatever ends first, everything ends: each child is the leader of a session of its own, is asked, then
killed, and the kernel ends it if this process dies without doing so (docs/adr/0001-own-supervisor.md).
"""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tandem.runtime.errors import RuntimeProblem
from tandem.runtime.places import CLONE
from tandem.runtime.processes import child_setup, end_with_parent, start, stop, wait_until
from tandem.runtime.services import Services

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 8000, 8099
READY_SECONDS = 120
DJANGO = [sys.executable, "manage.py"]
CELERY = [sys.executable, "-m", "celery", "-A", "tandem.celery"]
WORKER = [
    *CELERY,
    "worker",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
    "--loglevel",
    "INFO",
]
FALLBACK_NAME = "admin"
PASSING = "people"  # the process that plays the two apps' users once, and ends
# What APPS= chooses: two databases, or Business Central and Dataverse as the tests' protocol servers speak them.
# Each has data of its own.
PROFILES = {"databases": "demo", "dataverse": "demo-dataverse"}
ONLINE = {"business_central": "TANDEM_DEMO_BUSINESS_CENTRAL_PORT", "dataverse": "TANDEM_DEMO_DATAVERSE_PORT"}
FIRST_ONLINE_PORT, LAST_ONLINE_PORT = 8100, 8199


def profile_of(wish: str) -> str:
    """Whose data APPS= means. Raises RuntimeProblem where it is none of the choices."""
    found = PROFILES.get(wish or "databases")
    if found is None:
        raise RuntimeProblem(
            f"APPS is {wish!r}: choose databases (two PostgreSQL databases, the default) or dataverse (Business Central "
            "and Dataverse): make demo APPS=dataverse"
        )
    return found


def run_demo(*, end_with_parent_process: bool) -> int:
    """Runs the demo until it is ended; returns an exit code. Raises RuntimeProblem."""
    wish = os.environ.get("APPS", "")
    profile = profile_of(wish)
    if end_with_parent_process:
        end_with_parent()
    with Services(profile=profile) as services, _only_demo(services) as address_file:
        port = choose_port(os.environ.get("PORT", ""))
        address = f"http://{HOST}:{port}/"
        environment = _environment(services) | {"TANDEM_DEMO_APPS": wish or "databases"}
        children: dict[str, subprocess.Popen[bytes]] = {}
        logs = services.places.state / "logs"
        logs.mkdir(exist_ok=True)
        try:
            if profile == PROFILES["dataverse"]:
                environment |= _start_online(services, children, environment, logs)
            _prepare(services, environment)
            for name, command in _processes(port).items():
                with (logs / f"{name}.log").open("wb") as log:
                    children[name] = start(command, log=log.fileno(), env=environment, cwd=CLONE)
            _wait_for_web(address, children, logs)
            address_file.write_text(address, encoding="utf-8")
            _say(_welcome(address, services, logs, wish))
            return _watch(children, logs)
        finally:
            _end(children)


def _start_online(
    services: Services, children: dict[str, subprocess.Popen[bytes]], environment: dict[str, str], logs: Path
) -> dict[str, str]:
    """Starts the two online apps and waits until they answer; gives what tells other processes where they are.

    They keep their ports: what was read from them names their address.
    """
    _say("Starting the two online apps ...")
    told = {"TANDEM_DEMO_KEY": services.places.secret("demo-key", lambda: secrets.token_urlsafe(24))}
    taken: set[int] = set()
    for kind, variable in ONLINE.items():
        port = _online_port(services, kind, taken)
        taken.add(port)
        told[variable] = str(port)
        file = services.places.state / f"{kind}.records"
        command = [
            sys.executable,
            "-m",
            "tandem.demo.online.host",
            kind,
            "--port",
            str(port),
            "--file",
            str(file),
        ]
        log_file = logs / f"{kind}.log"
        with log_file.open("wb") as log:
            children[kind] = start(command, log=log.fileno(), env=environment | told, cwd=CLONE)
        child = children[kind]
        wait_until(lambda: _listens(port) or child.poll() is not None, seconds=READY_SECONDS, pause=0.1)  # noqa: B023
        if not _listens(port):
            raise RuntimeProblem.with_log(f"The app {kind} did not start; its log says:", log_file)
    return told


def _online_port(services: Services, kind: str, taken: set[int]) -> int:
    """The app's port of the last start, where it is free, else a free one that it keeps."""
    kept = services.places.state / f"{kind}.port"
    if (
        kept.exists()
        and (text := kept.read_text(encoding="utf-8").strip()).isdecimal()
        and _is_free(int(text))
    ):
        return int(text)
    for port in range(FIRST_ONLINE_PORT, LAST_ONLINE_PORT + 1):
        if port not in taken and _is_free(port):
            kept.write_text(str(port), encoding="utf-8")
            return port
    raise RuntimeProblem(f"Ports {FIRST_ONLINE_PORT} to {LAST_ONLINE_PORT} are all taken; free two of them.")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def choose_port(wish: str) -> int:
    """The port that was asked for, or the first free one from 8000 on. Raises RuntimeProblem."""
    if not wish:
        for port in range(FIRST_PORT, LAST_PORT + 1):
            if _is_free(port):
                return port
        raise RuntimeProblem(
            f"Ports {FIRST_PORT} to {LAST_PORT} are all taken; choose one: PORT=9000 make demo"
        )
    if not wish.isdecimal() or not 0 < int(wish) < 65536:
        raise RuntimeProblem(f"PORT is {wish!r}: write a number from 1 to 65535.")
    port = int(wish)
    if not _is_free(port):
        raise RuntimeProblem(
            f"Port {port} is taken by another program; choose another: PORT={port + 1} make demo"
        )
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _only_demo(services: Services) -> Iterator[Path]:
    """One demo per clone: a second one says where the first is."""
    folder = services.places.state
    address_file = folder / "address"
    with (folder / "demo.run").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            with contextlib.suppress(OSError):
                raise RuntimeProblem(f"The demo already runs: {address_file.read_text()}") from None
            raise RuntimeProblem("The demo is already being started in another terminal.") from None
        address_file.unlink(missing_ok=True)
        try:
            yield address_file
        finally:
            address_file.unlink(missing_ok=True)


def _environment(services: Services) -> dict[str, str]:
    state = services.places.state
    kept = {
        name: value for name, value in os.environ.items() if name not in ("TANDEM_TESTING", "TANDEM_DEBUG")
    }
    return (
        kept
        | services.environment
        | {
            "TANDEM_DEMO": "1",
            "TANDEM_DEMO_PASSWORD": state_password(services),
            "TANDEM_DEMO_STATE": str(state),
            "TANDEM_STATIC_ROOT": str(state / "static"),
            "DJANGO_SETTINGS_MODULE": "tandem.settings",
            "PYTHONUNBUFFERED": "1",
        }
    )


def state_password(services: Services) -> str:
    """The password of the demo's people: random per clone, and printed at every start."""
    return services.places.secret("demo-password", lambda: secrets.token_urlsafe(9))


def _prepare(services: Services, environment: dict[str, str]) -> None:
    """Tables, static files, demo data. Each step is quick when nothing changed."""
    _step("Preparing the database", [*DJANGO, "migrate", "--no-input", "--verbosity", "0"], environment)
    _step(
        "Preparing the pages",
        [*DJANGO, "collectstatic", "--no-input", "--clear", "--verbosity", "0"],
        environment,
    )
    if _has_command("demo_setup"):
        _step("Preparing the two demo apps", [*DJANGO, "demo_setup"], environment, shown=True)
        return
    # Without demo data there is at least somebody who can sign in.
    people = environment | {"DJANGO_SUPERUSER_PASSWORD": environment["TANDEM_DEMO_PASSWORD"]}
    command = [
        *DJANGO,
        "createsuperuser",
        "--no-input",
        "--username",
        FALLBACK_NAME,
        "--email",
        "admin@example.com",
    ]
    subprocess.run(command, env=people, cwd=CLONE, capture_output=True, check=False)  # fails when he exists
    (services.places.state / "sign-in.txt").write_text(
        f"user {FALLBACK_NAME}, password {environment['TANDEM_DEMO_PASSWORD']}\n", encoding="utf-8"
    )


def _has_command(name: str) -> bool:
    return any(CLONE.glob(f"*/management/commands/{name}.py"))


def _step(what: str, command: list[str], environment: dict[str, str], *, shown: bool = False) -> None:
    _say(f"{what} ...")
    child = subprocess.Popen(
        command,
        env=environment,
        cwd=CLONE,
        stdin=subprocess.DEVNULL,
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        preexec_fn=child_setup(),
    )
    try:
        said = child.communicate()[0] or b""
    except BaseException:
        stop_now(child)
        raise
    if child.returncode != 0:
        raise RuntimeProblem(f"{what} failed:\n{said.decode(errors='replace').rstrip()}")


def stop_now(child: subprocess.Popen[bytes]) -> None:
    """Ends a step that was interrupted."""
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(5)
    child.kill()
    child.wait()


def _processes(port: int) -> dict[str, list[str]]:
    found = {
        "web": [
            *(sys.executable, "-m", "gunicorn", "tandem.wsgi", "--bind", f"{HOST}:{port}"),
            *("--limit-request-line", "8190"),  # a pasted list of numbers stands in the address
            *("--worker-class", "gthread", "--workers", "1", "--threads", "8"),
            *("--no-control-socket", "--graceful-timeout", "3", "--access-logfile", "-"),
        ],
        "worker-tick": [*WORKER, "--queues", "tick", "--pool", "solo", "--hostname", "tick@%h"],
        "worker-sync": [*WORKER, "--queues", "sync,upkeep", "--concurrency", "2", "--hostname", "sync@%h"],
        "beat": [*CELERY, "beat", "--pidfile", "", "--loglevel", "INFO"],
    }
    if _has_command("demo_stage"):
        found["stage"] = [*DJANGO, "demo_stage"]
    return found | ({PASSING: [*DJANGO, "demo_faults"]} if _has_command("demo_faults") else {})


def _wait_for_web(address: str, children: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}healthz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    wait_until(lambda: answers() or children["web"].poll() is not None, seconds=READY_SECONDS, pause=0.1)
    if not answers():
        raise RuntimeProblem.with_log("The web server did not start; its log says:", logs / "web.log")


def _watch(children: dict[str, subprocess.Popen[bytes]], logs: Path) -> int:
    """Returns only when a child ended by itself, which none should."""
    while True:
        for name, child in children.items():
            if child.poll() is not None and name != PASSING:
                raise RuntimeProblem.with_log(
                    f"The process {name} ended; its log says:", logs / f"{name}.log"
                )
        time.sleep(0.5)


def _end(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ends all at once, without being interrupted: a second Ctrl-C changes nothing, 10 s is the limit."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    _say("\nEnding ...")
    for child in children.values():
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
    end = time.monotonic() + 10
    for child in children.values():
        stop(child, patience=max(0.1, end - time.monotonic()))


def _welcome(address: str, services: Services, logs: Path, wish: str) -> str:
    sign_in = services.places.state / "sign-in.txt"
    people = sign_in.read_text(encoding="utf-8").rstrip() if sign_in.exists() else ""
    lines = ["", f"  Tandem is ready:  {address}", ""]
    lines += [f"  Sign in:  {people}".replace("\n", "\n            "), ""] if people else []
    apps = f" APPS={wish}" if wish else ""
    lines += [
        f"  Logs:     {os.path.relpath(logs)}",
        f"  End with Ctrl-C; the data is kept until `make demo-reset{apps}`.",
        "",
    ]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, flush=True)
