"""A page of history: the newest 50 messages of a room with their authors, as a front end asks for them."""

from benchmarks.load import connect, rate
from benchmarks.stage import Stage
from benchmarks.table import show
from schema.node_id import NodeKind, node_id

CONCURRENCY = 16
PAGE = """
query ($room: ID!) {
  room(id: $room) {
    id name
    messages(last: 50) {
      nodes {
        id sequence body createdAt editedAt deletedAt viewerCanEdit viewerCanDelete
        author { id name kind }
      }
      pageInfo { hasPreviousPage startCursor }
    }
  }
}
"""


async def measure(stage: Stage) -> None:
    at = stage.sample
    request = stage.request(PAGE, {"room": node_id(NodeKind.ROOM, at.long)})
    page = stage.folder / "page.json"
    with stage.serving("parley") as server:
        connection = await connect(server.port)
        page.write_bytes(await connection.ask(request))
        connection.close()
        ours = await rate(server, lambda: request, seconds=stage.seconds, concurrency=CONCURRENCY)
    keys = " ".join(map(str, (at.workspace_id, at.session_id, at.internal.id, at.long)))
    others = []
    for name, what, environment in (
        ("sql", "the same SQL through psycopg and orjson, without GraphQL", {"BENCH_KEYS": keys}),
        ("bare", "a bare Starlette handler that gives the same bytes", {"BENCH_BYTES": str(page)}),
    ):
        with stage.serving(name, **environment) as server:
            others.append((what, await rate(server, lambda: request, seconds=stage.seconds, concurrency=CONCURRENCY)))
    title = f"A page of history, 50 messages, {page.stat().st_size / 1000:.1f} kB, {CONCURRENCY} at once"
    show(title, "pages/s", [("Parley", ours), *others])
