"""The embedded servers' command line: `python -m tandem.runtime demo | demo-reset | run -- COMMAND …`."""

import argparse
import os
import signal
import subprocess
import sys

from tandem.runtime.errors import RuntimeProblem
from tandem.runtime.processes import child_setup
from tandem.runtime.services import Services


class Ended(BaseException):
    """SIGTERM or SIGHUP arrived: leave through the `with` blocks, which stop everything we started."""


def raise_ended(_signal: int, _frame: object) -> None:
    raise Ended


def run(profile: str, command: list[str]) -> int:
    """Runs a command with the servers up; returns its exit code."""
    with Services(profile=profile) as services:
        environment = os.environ | services.environment | {"TANDEM_DEMO": os.environ.get("TANDEM_DEMO", "1")}
        try:
            child = subprocess.Popen(command, env=environment, preexec_fn=child_setup())
        except OSError as fault:
            raise RuntimeProblem(f"Cannot run {command[0]}: {fault.strerror}.") from fault
        try:
            code = child.wait()
        except KeyboardInterrupt:  # the terminal sent it to the child as well
            code = child.wait()
        except Ended:
            child.terminate()
            code = child.wait()
        return code if code >= 0 else 128 - code  # as a shell says that a signal ended it


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tandem.runtime", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="start everything with two demo apps")
    demo.add_argument(
        "--end-with-parent", action="store_true", help="end when the calling process dies (make)"
    )
    commands.add_parser("demo-reset", help="stop the demo's servers and forget its data")
    runner = commands.add_parser("run", help="run a command with PostgreSQL and Valkey up")
    runner.add_argument("--profile", default="demo", help="whose data: demo (default), bench, check …")
    runner.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    chosen = parser.parse_args()
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, raise_ended)
    try:
        if chosen.command == "demo":
            from tandem.runtime.demo import run_demo

            return run_demo(end_with_parent_process=chosen.end_with_parent)
        if chosen.command == "demo-reset":
            from tandem.runtime.demo import profile_of

            wish = os.environ.get("APPS", "")
            Services(profile=profile_of(wish)).reset()
            print(f"The demo's data is gone; `make demo{' APPS=' + wish if wish else ''}` starts afresh.")
            return 0
        command = chosen.rest[1:] if chosen.rest[:1] == ["--"] else chosen.rest
        if not command:
            parser.error("run needs a command: run -- COMMAND …")
        return run(chosen.profile, command)
    except RuntimeProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Ended):
        return 130


if __name__ == "__main__":
    sys.exit(main())
