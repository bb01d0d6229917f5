"""GraphQL over HTTP, judged by others: the audits of npm's graphql-http, against a real server."""

import json
from collections.abc import Callable

import pytest


@pytest.fixture(scope="module")
def audits(node: Callable[..., str], server_url: str) -> list[dict[str, str]]:
    results: list[dict[str, str]] = json.loads(node("audits.mjs", f"{server_url}/graphql"))
    return results


def test_all_61_audits_pass(audits: list[dict[str, str]]) -> None:
    assert len(audits) == 61
    assert [audit for audit in audits if audit["status"] != "ok"] == []
