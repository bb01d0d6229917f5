"""What the documentation has to name."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from models.event import EventKind
from resolvers.errors import Code
from server.cli import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def commands() -> set[str]:
    found = set()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {f"{name} {each}" for each in inner} if inner else {name}
    return found


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "running.md").read_text()
    assert {command for command in commands() if f"parley {command}" not in text} == set()


def test_every_code_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    contract = (ROOT / "tests" / "contract.graphql").read_text()
    listed = contract.rpartition("extensions.code:")[2].partition("(")[0]
    codes = {code.value for code in Code} | set(re.findall(r"[A-Z_]{5,}", listed)) - {"CURSOR_EXPIRED", "RATE_LIMITED"}
    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_every_kind_of_event_is_documented() -> None:
    text = (ROOT / "docs" / "events.md").read_text()
    assert {kind.value for kind in EventKind if f"`{kind.value}`" not in text} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(((?!https?:|#)[^)#]+)[^)]*\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_dependency_says_why_it_is_here() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    listed = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.S | re.M)
    assert listed is not None
    names = re.findall(r'"([a-z0-9-]+)', listed[1])
    assert [name for name in names if name not in text] == []
