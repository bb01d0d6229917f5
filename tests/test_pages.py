"""The built-in pages as they are served. In a real browser they are seen by tests/browser/pages.test.mjs."""

import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.application import create_app
from server.pages.files import Files
from server.pages.page import FOLDER, NAMES, POLICY
from server.settings import Settings

ROOT = Path(__file__).parent.parent
NOWHERE = {
    "database_url": "postgresql://nobody@127.0.0.1:1/parley",
    "valkey_url": "redis://127.0.0.1:1",
    "secret_key": "s" * 40,
}
LIGHT = 15_000  # bytes of a page with all that it loads, not squeezed


def visitor(**settings: Any) -> httpx.AsyncClient:
    """Of the whole application, whose database and Valkey are not there."""
    app = create_app(Settings.model_validate({**NOWHERE, **settings}))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://parley.test")


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with visitor() as client:
        yield client


class Elements(HTMLParser):
    """What a page has, with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]

    def addresses(self) -> set[str]:
        return {value for _, given in self.found for name in ("href", "src") if (value := given.get(name))}


@pytest.mark.parametrize("name", NAMES)
async def test_a_page_may_run_and_load_nothing_but_its_own_files(name: str, browser: httpx.AsyncClient) -> None:
    answer = await browser.get(f"/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    directives = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert directives.pop("default-src") == "'none'"
    assert {directives.pop(each) for each in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert {directives.pop(each) for each in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert directives == {"img-src": "data:", "require-trusted-types-for": "'script'", "trusted-types": "'none'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers
    elements = Elements(answer.text)
    # Relative, so that it works behind a path of a proxy.
    local = {address for address in elements.addresses() if not address.startswith("data:")}
    assert not [address for address in local if re.match(r"[a-z]+:|/", address)]
    assert not [given for _, given in elements.found if any(each.startswith("on") or each == "style" for each in given)]
    assert not elements.named("style")
    assert "{{" not in answer.text


@pytest.mark.parametrize("name", NAMES)
async def test_every_field_has_a_label_a_place_for_what_is_wrong_and_a_name_for_password_managers(
    name: str, browser: httpx.AsyncClient
) -> None:
    # One form is shown at a time, but an id is one of the whole page.
    elements = Elements((await browser.get(f"/{name}")).text)
    ids = [given["id"] for _, given in elements.found if "id" in given]
    assert len(ids) == len(set(ids))
    labelled = {given["for"] for given in elements.named("label")}
    fields = elements.named("input")
    assert fields
    for field in fields:
        assert field["id"] == field["name"]
        assert field["id"] in labelled
        assert field["autocomplete"] in ("name", "username", "current-password", "new-password", "organization")
        described = str(field["aria-describedby"]).split()
        assert described[-1] == f"{field['id']}-wrong"
        assert set(described) <= set(ids)
    assert len(elements.named("noscript")) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_page_is_light_with_all_that_it_loads(name: str, browser: httpx.AsyncClient) -> None:
    page = await browser.get(f"/{name}")
    loaded = [address for address in Elements(page.text).addresses() if address.startswith("pages/")]
    weights = {address: len((await browser.get(f"/{address}")).content) for address in loaded}
    assert {address.rpartition("/")[2] for address in weights} == set(Files.read().by_name)
    assert len(page.content) + sum(weights.values()) < LIGHT, weights


async def test_a_file_is_kept_for_ever_under_the_name_of_what_it_holds(browser: httpx.AsyncClient) -> None:
    files = Files.read()
    for name in files.by_name:
        answer = await browser.get(f"/pages/{files.version}/{name}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].partition(";")[0] in ("text/javascript", "text/css")
        assert answer.headers["content-security-policy"] == "default-src 'none'"
    # A page of a node that is newer, or older: it works, and is not kept.
    other = await browser.get(f"/pages/0000/{name}")
    assert (other.content, other.headers["cache-control"]) == (answer.content, "no-cache")
    for path in (f"/pages/{files.version}/other.mjs", "/pages/x/..%2F..%2Fmount.py", "/pages/x/", "/pages/"):
        assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize("name", NAMES)
async def test_a_page_is_asked_about_and_not_sent_again(name: str, browser: httpx.AsyncClient) -> None:
    first = await browser.get(f"/{name}")
    assert first.headers["cache-control"] == "no-cache"
    again = await browser.get(f"/{name}", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == POLICY
    other = await browser.get(f"/{name}", headers={"if-none-match": '"other"'})
    assert other.content == first.content


@pytest.mark.parametrize("name", NAMES)
async def test_looking_at_a_link_does_nothing_and_nothing_else_is_allowed(
    name: str, browser: httpx.AsyncClient
) -> None:
    # The application has no database at all: whatever a GET read or spent would fail.
    head = await browser.head(f"/{name}?token=x")
    assert (head.status_code, head.content) == (200, b"")
    assert (await browser.get(f"/{name}?token=x")).content == (await browser.get(f"/{name}")).content
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await browser.request(method, f"/{name}")
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert (await browser.get(f"/{name}/")).status_code == 404


@pytest.mark.parametrize("name", NAMES)
async def test_only_in_development_does_a_page_lead_on_to_the_explorer(name: str, browser: httpx.AsyncClient) -> None:
    assert 'href="graphql"' in (await browser.get(f"/{name}")).text
    async with visitor(environment="production") as production, visitor(explorer=False) as bare:
        for client in (production, bare):
            assert "graphql" not in (await client.get(f"/{name}")).text


def test_the_sign_in_is_the_explorers_own() -> None:
    for name in ("sign-in", "http"):
        assert (ROOT / "web" / "src" / f"{name}.js").resolve() == FOLDER / "assets" / f"{name}.mjs"


def test_a_built_package_holds_the_pages(tmp_path: Path) -> None:
    build = "from setuptools.build_meta import build_wheel; import sys; build_wheel(sys.argv[1])"
    copied = tmp_path / "checkout"
    copied.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "server"):
        (copied / name).symlink_to(ROOT / name)
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=copied, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    parts = {
        path.relative_to(ROOT).as_posix() for path in FOLDER.rglob("*") if path.suffix in (".html", ".mjs", ".css")
    }
    assert len(parts) > 10
    assert parts <= held
