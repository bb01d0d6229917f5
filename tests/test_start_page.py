"""`/` and the documentation under `/docs/`."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from server.demo import PASSWORD
from server.settings import Settings
from server.start_page import CHECKOUT, start_page

PRODUCTION = {
    "environment": "production",
    "secret_key": "s" * 40,
    "database_url": "postgresql://u:hidden@db/parley",
    "valkey_url": "redis://cache",
}


def visitor(checkout: Path = CHECKOUT, **settings: Any) -> httpx.AsyncClient:
    app = Starlette(routes=start_page(Settings.model_validate(settings), checkout=checkout))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://parley.test")


async def test_in_development_it_leads_to_everything() -> None:
    async with visitor() as client:
        answer = await client.get("/")
    assert 'href="graphql"' in answer.text
    assert 'href="http://localhost:8025"' in answer.text
    assert "cleo@client.test" in answer.text
    assert PASSWORD in answer.text
    assert "curl http://localhost:8000/graphql" in answer.text
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_in_production_it_tells_no_sign_ins_and_no_mail_page() -> None:
    async with visitor(**PRODUCTION) as client:
        page = (await client.get("/")).text
    assert 'href="graphql"' in page
    for word in ("@", PASSWORD, "8025", "hidden", "curl"):
        assert word not in page


async def test_mail_that_goes_elsewhere_has_no_page() -> None:
    async with visitor(smtp_url="smtp://mail.example") as client:
        assert "Mail" not in (await client.get("/")).text


async def test_without_the_explorer_it_promises_none() -> None:
    async with visitor(explorer=False) as client:
        page = (await client.get("/")).text
    assert "explorer</a>" not in page
    assert 'href="graphql"' in page


async def test_every_page_of_the_documentation_is_there_as_text() -> None:
    async with visitor() as client:
        page = (await client.get("/")).text
        for path in [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")]:
            name = path.name if path.parent == CHECKOUT else path.relative_to(CHECKOUT / "docs").as_posix()
            assert f'href="docs/{name}"' in page
            answer = await client.get(f"/docs/{name}")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.text == path.read_text()


async def test_the_folder_is_a_list_of_its_pages() -> None:
    async with visitor() as client:
        answer = await client.get("/docs", follow_redirects=True)
        names = re.findall(r'href="([^"]+\.md)"', answer.text)
        assert "decisions/" in names[-1]
        for name in names:
            assert (await client.get(str(answer.url.join(name)))).status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["other.md", "../Makefile", "..%2FMakefile", "decisions", "%2Fetc%2Fpasswd"])
async def test_nothing_else_is(name: str) -> None:
    async with visitor() as client:
        assert (await client.get(f"/docs/{name}")).status_code == 404


@pytest.mark.parametrize("name", ["", "README.md", "running.md"])
async def test_in_production_there_is_no_documentation(name: str) -> None:
    async with visitor() as client:
        assert (await client.get(f"/docs/{name}")).status_code == 200
    async with visitor(**PRODUCTION) as client:
        answer = await client.get(f"/docs/{name}")
        assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
        assert "docs" not in (await client.get("/")).text


async def test_where_there_is_no_documentation_there_are_no_links_to_it(tmp_path: Path) -> None:
    async with visitor(tmp_path) as client:
        assert "docs" not in (await client.get("/")).text
        assert (await client.get("/docs/")).status_code == 404
