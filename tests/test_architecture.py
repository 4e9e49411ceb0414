"""The house rules a machine can check. Each failure names the file, the line and the rule it breaks."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.template import Template, TemplateSyntaxError, engines

ROOT = Path(__file__).parent.parent
PACKAGES = ("tandem", "coupling", "errors", "synccore", "ui")  # imports point from left to right
LONGEST_FILE = 400

# Inside synccore a module imports only from rows below its own, or from itself. A name of this list is a
# module or a package. `management` (commands) stands with the pages.
SYNCCORE = (
    ("apps", "urls"),
    (
        "views",
        "actions",
        "tables",
        "forms",
        "filters",
        "search",
        "exports",
        "management",
        "templatetags",
        "admin",
        "schedule",
    ),
    ("services", "roles"),
    ("tasks",),
    ("jobs",),
    ("lines",),
    ("verbs",),
    ("models",),
    ("guides", "crypto"),
    ("connectors",),
    ("engine",),
    ("fingerprint", "codes"),
    ("shapes",),
    ("failures",),
)
PAGES = SYNCCORE[1]  # views, tables, forms … of one page know each other; the tick knows none of them
DJANGO_FREE = ("engine", "connectors", "shapes", "failures", "fingerprint", "codes")


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def python_files(package: str) -> list[Path]:
    return [path for path in sorted((ROOT / package).rglob("*.py")) if "migrations" not in path.parts]


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Every import that runs, also those inside functions; not those under `if TYPE_CHECKING`."""
    return tuple(_imports(path, ast.parse(path.read_text(encoding="utf-8"))))


def _imports(path: Path, node: ast.AST) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (Import(path, child.lineno, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = absolute(path, child.level, child.module)
            yield Import(path, child.lineno, base)
            yield from (Import(path, child.lineno, f"{base}.{alias.name}") for alias in child.names)
        else:
            yield from _imports(path, child)


def absolute(path: Path, level: int, module: str | None) -> str:
    """The full name of what `from … import` names in a file: two dots in a/b/c.py mean a."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    start = list(parts[: len(parts) - level]) if level else []
    return ".".join([*start, *([module] if module else [])])


def row_of(module: str) -> int | None:
    return next((number for number, row in enumerate(SYNCCORE) if module in row), None)


def part_of(path: Path) -> str:
    """`synccore/engine/decide.py` → `engine`."""
    return path.relative_to(ROOT / "synccore").with_suffix("").parts[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_between_packages_point_down(package):
    above = PACKAGES[: PACKAGES.index(package)]
    wrong = [
        str(each)
        for path in python_files(package)
        for each in imports(path)
        if each.module.split(".")[0] in above
    ]
    assert not wrong, f"{package} may not import from {', '.join(above)}"


def test_every_module_of_synccore_has_a_row():
    found = {part_of(path) for path in python_files("synccore")} - {"__init__"}
    assert not {name for name in found if row_of(name) is None}, (
        "add the module to SYNCCORE, in the right row"
    )


def test_imports_inside_synccore_point_down():
    wrong = []
    for path in python_files("synccore"):
        mine = part_of(path)
        for each in imports(path):
            parts = each.module.split(".")
            if parts[0] != "synccore" or len(parts) < 2 or row_of(mine) is None or row_of(parts[1]) is None:
                continue
            theirs = parts[1]
            pages = mine in PAGES and theirs in PAGES and "schedule" not in (mine, theirs)
            if theirs != mine and not pages and row_of(theirs) <= row_of(mine):
                wrong.append(str(each))
    assert not wrong


@pytest.mark.parametrize("name", DJANGO_FREE)
def test_the_engine_side_knows_no_django(name):
    foreign = ("django", "celery", *PACKAGES)
    allowed = tuple(f"synccore.{part}" for part in DJANGO_FREE)
    wrong = [
        str(each)
        for path in python_files("synccore")
        for each in imports(path)
        if part_of(path) == name and each.module.split(".")[0] in foreign and each.module != "synccore"
        if not each.module.startswith(allowed)
    ]
    assert not wrong


def test_no_file_is_longer_than_a_reader_holds_in_mind():
    suffixes = {".py", ".html", ".js", ".css"}
    files = [
        path
        for package in (*PACKAGES, "templates", "static", "bench")
        for path in (ROOT / package).rglob("*")
        if path.suffix in suffixes and "migrations" not in path.parts
    ]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    long = {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LONGEST_FILE}
    assert not long, f"split by subject what is longer than {LONGEST_FILE} lines"


def test_files_of_tests_have_names_of_their_own():
    """Those of a folder that is no package are imported by their name alone: two of one name stop the whole run."""
    files = [
        path for path in (ROOT / "tests").rglob("test_*.py") if not (path.parent / "__init__.py").exists()
    ]
    names = Counter(path.name for path in files)
    assert not [str(path.relative_to(ROOT)) for path in files if names[path.name] > 1]


def test_a_link_is_a_link():
    folders = [ROOT / "templates", *(ROOT / package / "templates" for package in PACKAGES)]
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in folders
        for path in folder.rglob("*.html")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"""href=["']#["']""", line)
    ]
    assert not wrong, 'href="#" cannot be opened in a new tab, copied, or used without JavaScript'


def test_a_template_loads_no_library_that_it_does_not_use():
    compiled, load = engines["django"].engine, re.compile(r"{% load ([\w ]+) %}")
    unused = []
    for folder in (ROOT / "templates", *(ROOT / package for package in PACKAGES)):
        for path in folder.rglob("*.html"):
            text = path.read_text(encoding="utf-8")
            for found in load.finditer(text):
                for library in found[1].split():
                    others = [each for each in found[1].split() if each != library]
                    without = f"{{% load {' '.join(others)} %}}" if others else ""
                    with suppress(TemplateSyntaxError):
                        Template(text[: found.start()] + without + text[found.end() :], engine=compiled)
                        unused.append(f"{path.relative_to(ROOT)}: {library}")
    assert not unused


@pytest.mark.django_db
def test_no_migration_is_missing():
    said = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=said, verbosity=1)
    except SystemExit:
        pytest.fail(f"Run makemigrations:\n{said.getvalue()}")
