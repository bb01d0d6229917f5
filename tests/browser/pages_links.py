"""What the pages' tests do behind the server's back, with its own settings:

python -m tests.browser.pages_links link PURPOSE EMAIL     answers what was asked for; the newest link's token
python -m tests.browser.pages_links expire EMAIL           lets the time of somebody's links run out
"""

import asyncio
import sys

from resolvers import link
from resolvers.process import Process
from resolvers.tokens import link_token
from server.process import make_pool, make_process
from server.settings import load

NEWEST = """
SELECT link.workspace_id, link.id FROM link JOIN "user" ON "user".workspace_id = link.workspace_id
  AND "user".id = link.user_id WHERE link.purpose = %s AND "user".email = %s ORDER BY link.created_at DESC LIMIT 1
"""
EXPIRE = """
UPDATE link SET expires_at = clock_timestamp() - interval '1 second' FROM "user"
WHERE "user".workspace_id = link.workspace_id AND "user".id = link.user_id AND "user".email = %s
"""


async def main() -> None:
    settings = load()
    async with make_pool(settings) as pool:
        process = make_process(settings, pool, lambda *_: None, lambda *_: None)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await done(process, *line.split()), flush=True)


async def done(process: Process, *words: str) -> str:
    match words:
        case ["link", purpose, email]:
            return await newest(process, purpose, email)
        case ["expire", email]:
            async with process.pool.connection() as connection:
                await connection.execute(EXPIRE, (email,))
            return "done"
    raise AssertionError(words)


async def newest(process: Process, purpose: str, email: str) -> str:
    async with process.pool.connection() as connection:
        asked = await (await connection.execute("SELECT id FROM link_request")).fetchall()
    for (request_id,) in asked:
        await link.answer_request(process, request_id)
    async with process.pool.connection() as connection:
        found = await (await connection.execute(NEWEST, (purpose, email))).fetchone()
    assert found is not None, "nobody has been sent such a link"
    return link_token(process.link_keys, *found)


if __name__ == "__main__":
    asyncio.run(main())
