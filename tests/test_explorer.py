"""The explorer: its examples, its build and how it is served. In a real browser it is seen by tests/browser."""

import gzip
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_named_type,
    parse,
    validate,
)
from starlette.applications import Starlette
from starlette.routing import Route

from server.application import create_app
from server.demo.people import PEOPLE
from server.embedded.up import welcome
from server.explorer import build as building
from server.explorer.build import BuildError, build
from server.explorer.bundle import Bundle
from server.explorer.mount import Explorer, explorer
from server.explorer.node import Node, find, serves
from server.explorer.page import POLICY, filled_page, missing_page, told_by
from server.explorer.place import BUILDS, PARTS, SOURCES, build_of, built
from server.http.navigation import Navigation
from server.settings import Settings

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((SOURCES / "examples").glob("*/*.graphql"))
PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"  # what browsers say of a navigation
NOWHERE = {
    "database_url": "postgresql://nobody@127.0.0.1:1/parley",
    "valkey_url": "redis://127.0.0.1:1",
    "secret_key": "s" * 40,
}
GIVEN = {"given.key", "given.email", "given.password"}  # of src/examples-pane.jsx


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text())


# What one finds in it


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_its_variables_can_be_filled(path: Path, schema: GraphQLSchema) -> None:
    text = path.read_text()
    document = parse(text)
    assert validate(schema, document) == []
    operations = {node.name.value: node for node in document.definitions if isinstance(node, OperationDefinitionNode)}
    fill = operations.pop("Fill", None)
    (shown,) = operations.values()
    title, *about, variables = header(text)
    assert title
    assert not title.endswith(".")
    assert about
    assert set(variables) <= {each.variable.name.value for each in shown.variable_definitions or ()}
    for place in PLACEHOLDER.findall(json.dumps(variables)):
        if place not in GIVEN:
            assert fill is not None, "nothing finds it"
            follow(schema.query_type, fill, place.split("."))


def header(text: str) -> list[Any]:
    """Title, lines about it, and the variables."""
    comments = [line[1:].strip() for line in text.split("\n\n")[0].splitlines()]
    head, _, variables = "\n".join(comments).partition("variables:")
    return [*head.strip().splitlines(), json.loads(variables or "{}")]


def follow(kind: Any, node: Any, steps: list[str]) -> None:
    """Fails where a path asks for what `Fill` doesn't select."""
    for step in steps:
        name, flag = re.fullmatch(r"(\w+)(?:\[-?(\w*)\])?", step).groups()  # type: ignore[union-attr]
        (node,) = [field for field in selected(node) if field.name.value == name]
        assert isinstance(kind, GraphQLObjectType)
        kind = get_named_type(kind.fields[name].type)
        assert not flag or flag in [field.name.value for field in selected(node)]


def selected(node: Any) -> list[FieldNode]:
    return list(node.selection_set.selections)


def test_examples_have_names_of_their_own() -> None:
    titles = [path.read_text().splitlines()[0] for path in EXAMPLES]
    assert len(set(titles)) == len(titles) > 10


def test_the_parts_that_need_no_browser_do_what_they_should() -> None:
    BUILDS.mkdir(parents=True, exist_ok=True)
    with building.alone(BUILDS):
        node = find()
        building.install(SOURCES, node)
    command = [node.node, "--test", "--test-reporter=tap"]
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE)


LOCK_FILES = sorted([SOURCES / "package-lock.json", *ROOT.glob("tests/*/package-lock.json")])


@pytest.mark.parametrize("lock_file", LOCK_FILES, ids=lambda path: path.parent.name)
def test_lock_files_name_no_registry(lock_file: Path) -> None:
    packages = json.loads(lock_file.read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


# How it is built


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "package-lock.json").write_text("{}")
    (folder / "src" / "main.js").write_text("one()")
    return folder


@pytest.fixture
def builds(tmp_path: Path) -> Path:
    return tmp_path / "builds"


@pytest.fixture
def runs(sources: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """Node.js and npm are scripts that note what they are called with, and make what they should."""
    noted = tmp_path / "noted"
    npm, node = tmp_path / "npm", tmp_path / "node"
    npm.write_text(f'#!/bin/sh\necho "npm $1" >> {noted}\nmkdir -p node_modules/vite/bin\n')
    node.write_text(
        f'#!/bin/sh\necho "vite $2" >> {noted}\nmkdir -p $4/explorer\necho "<p>page" > $4/index.html\n'
        "echo 'run()' > $4/explorer/main-1.js\n"
    )
    for script in (npm, node):
        script.chmod(0o755)
    monkeypatch.setattr(building, "find", lambda: Node(str(node), (str(npm),)))
    return lambda: noted.read_text().splitlines() if noted.exists() else []


def test_a_build_is_made_once_for_the_same_sources(sources: Path, builds: Path, runs: Callable[[], list[str]]) -> None:
    first = build(sources, builds)
    assert (first / "index.html").is_file()
    assert build(sources, builds) == first
    assert runs() == ["npm ci", "vite build"]


def test_other_sources_have_another_build_and_the_old_one_goes(
    sources: Path, builds: Path, runs: Callable[[], list[str]]
) -> None:
    first = build(sources, builds)
    (sources / "src" / "main.js").write_text("two()")
    assert built(sources, builds) is None
    second = build(sources, builds)
    assert [path.name for path in builds.iterdir()] == [second.name]
    assert first != second
    assert runs() == ["npm ci", "vite build", "vite build"]  # the packages were there


def test_a_build_is_named_by_its_sources_alone(sources: Path, builds: Path) -> None:
    name = build_of(sources, builds)
    for beside in ("node_modules", "dist", "test"):
        (sources / beside).mkdir()
        (sources / beside / "file.js").write_text("")
    assert build_of(sources, builds) == name
    (sources / "src" / "main.js").rename(sources / "src" / "other.js")
    assert build_of(sources, builds) != name


def test_whatever_stands_in_the_sources_is_part_of_the_name() -> None:
    beside = {"test", "node_modules", "dist"}
    assert {path.name for path in SOURCES.iterdir()} - beside == set(PARTS)


def test_without_its_sources_a_build_is_taken_as_it_is(
    sources: Path, builds: Path, runs: Callable[[], list[str]]
) -> None:
    made = build(sources, builds)
    shutil.rmtree(sources)
    assert built(sources, builds) == build(sources, builds) == made


def test_two_starts_at_once_build_once(sources: Path, builds: Path, runs: Callable[[], list[str]]) -> None:
    found: list[Path] = []
    starts = [threading.Thread(target=lambda: found.append(build(sources, builds))) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(found) == 4
    assert runs() == ["npm ci", "vite build"]


def test_a_build_that_fails_leaves_nothing_and_says_why(
    sources: Path, builds: Path, runs: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "npm").write_text("#!/bin/sh\necho no network at all\nexit 7\n")
    with pytest.raises(BuildError, match=r"npm ci failed \(exit status 7\)\nno network at all"):
        build(sources, builds)
    (tmp_path / "npm").write_text("#!/bin/sh\nmkdir -p node_modules\n")
    (tmp_path / "node").write_text("#!/bin/sh\nmkdir -p $4; echo half > $4/index.html; exit 1\n")
    with pytest.raises(BuildError, match="vite build failed"):
        build(sources, builds)
    assert built(sources, builds) is None
    assert list(builds.iterdir()) == []


def test_a_file_of_a_kind_that_no_server_knows_fails_the_build_and_not_the_start(
    sources: Path, builds: Path, runs: Callable[[], list[str]], tmp_path: Path
) -> None:
    node = tmp_path / "node"
    node.write_text(node.read_text() + "touch $4/explorer/editor-1.wasm\n")
    with pytest.raises(BuildError, match=r"has no '\.wasm'"):
        build(sources, builds)
    assert list(builds.iterdir()) == []


def test_a_checkout_without_sources_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="its sources are not in"):
        build(tmp_path / "web", tmp_path / "builds")


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("v20.19.0", True),
        ("v20.18.3", False),
        ("v21.9.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("", False),
    ],
)
def test_only_a_node_that_vite_runs_with_is_taken(version: str, good: bool) -> None:
    assert serves(version) is good


def test_what_vite_asks_of_node_is_what_is_asked_for() -> None:
    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    assert packages["node_modules/vite"]["engines"]["node"] == "^20.19.0 || >=22.12.0"


# How it is served


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    files = tmp_path / "build" / "explorer"
    files.mkdir(parents=True)
    (tmp_path / "build" / "index.html").write_text("<head><!--config--></head>")
    (files / "main-1.js").write_text("run()")
    (files / "main-1.js.gz").write_bytes(gzip.compress(b"run()"))
    (files / "icon-2.png").write_bytes(b"PNG")
    return Bundle.read(tmp_path / "build")


def browser(found: Explorer) -> httpx.AsyncClient:
    async def graphql(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body"})

    app = Starlette(routes=[Route("/graphql", Navigation(graphql, found.show)), *found.routes])
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://parley.test", headers={"accept": BROWSER}
    )


@pytest.fixture
async def client(bundle: Bundle) -> Any:
    async with browser(Explorer(bundle, filled_page(bundle.page, Settings()))) as opened:
        yield opened


async def test_a_browser_that_navigates_gets_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/graphql")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    again = await client.get("/graphql", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("method", "address", "accept"),
    [
        ("GET", "/graphql?query=%7B__typename%7D", "text/html"),
        ("GET", "/graphql?query=", "text/html"),
        ("POST", "/graphql", "text/html"),
        ("GET", "/graphql", "*/*"),
        ("GET", "/graphql", "text/*"),
        ("GET", "/graphql", "application/json, text/html;q=0.9"),
        ("GET", "/graphql", "application/json, text/html"),
        ("GET", "/graphql", "text/html;q=0"),
    ],
)
async def test_everything_else_goes_to_graphql(
    client: httpx.AsyncClient, method: str, address: str, accept: str
) -> None:
    assert (await client.request(method, address, headers={"accept": accept})).status_code == 418


async def test_a_file_is_kept_for_ever_and_squeezed_for_who_takes_that(client: httpx.AsyncClient) -> None:
    squeezed = await client.get("/explorer/main-1.js")
    plain = await client.get("/explorer/main-1.js", headers={"accept-encoding": "identity"})
    assert squeezed.text == plain.text == "run()"
    assert squeezed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/javascript")
    assert (await client.get("/explorer/icon-2.png")).headers["content-type"] == "image/png"


async def test_a_file_is_unsqueezed_once_whoever_asks_for_it(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsqueezed: list[bytes] = []
    monkeypatch.setattr(gzip, "decompress", lambda content: unsqueezed.append(content) or b"run()")
    for _ in range(2):
        answer = await client.get("/explorer/main-1.js", headers={"accept-encoding": "br, gzip;q=0"})
        assert answer.text == "run()"
        assert "content-encoding" not in answer.headers
    assert len(unsqueezed) == 1


@pytest.mark.parametrize("name", ["other.js", "main-1.js.gz", "../index.html", "..%2Findex.html", "%2e%2e", ""])
async def test_nothing_but_the_files_of_the_build_has_an_address(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/explorer/{name}")).status_code == 404


async def test_where_nothing_is_built_a_browser_is_told_how() -> None:
    async with browser(Explorer(Bundle("", {}), missing_page())) as client:
        answer = await client.get("/graphql")
    assert answer.status_code == 200
    assert "make explorer" in answer.text


def test_scripts_come_from_here_only() -> None:
    directives = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["worker-src"] == directives["connect-src"] == "'self'"
    assert "http" not in POLICY
    assert "eval" not in POLICY


def test_the_page_is_told_the_demo_in_development_only() -> None:
    told: Any = told_by(Settings())
    assert [person["email"] for person in told["people"]] == [person.email for person in PEOPLE]
    production = {
        "environment": "production",
        "secret_key": "s" * 40,
        "database_url": "postgresql://u:hidden@db/parley",
        "valkey_url": "redis://cache",
    }
    settings = Settings.model_validate({**production, "introspection": False})
    assert told_by(settings) == {"introspection": False, "people": [], "mailPage": None}


def test_what_the_page_is_told_cannot_end_its_element(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = PEOPLE[0]._replace(name="</script><script>alert(1)</script>")
    monkeypatch.setattr("server.explorer.page.PEOPLE", [evil])
    page = filled_page("<!--config-->", Settings()).decode()
    assert page.count("<") == 2
    data = json.loads(page.partition(">")[2].rpartition("<")[0])
    assert data["people"][0]["name"] == evil.name


def test_it_can_be_turned_off() -> None:
    off = Settings.model_validate({"explorer": False})
    assert explorer(off) is None
    assert "explorer" not in welcome(off)


async def test_where_it_is_off_a_browser_is_told_that_it_asks_for_nothing() -> None:
    app = create_app(Settings.model_validate({"explorer": False, **NOWHERE}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://parley.test") as client:
        answer = await client.get("/graphql", headers={"accept": BROWSER})
        index = await client.get("/")
        files = [await client.get(address) for address in ("/explorer/main-1.js", "/explorer/", "/explorer")]
    assert answer.status_code == 400
    assert "query" in answer.json()["errors"][0]["message"]
    assert "explorer</a>" not in index.text
    assert [each.status_code for each in files] == [404, 404, 404]


def test_who_starts_parley_is_told_who_can_sign_in() -> None:
    for person in PEOPLE:
        assert re.search(rf"{person.email} +{person.about}$", welcome(Settings()), re.MULTILINE)


def test_who_starts_parley_is_told_where_it_is_or_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.embedded.up.built", lambda: Path("build"))
    assert "http://localhost:8000/graphql, in a browser" in welcome(Settings())
    monkeypatch.setattr("server.embedded.up.built", lambda: None)
    assert "make explorer" in welcome(Settings())
