"""What the pages' tests do behind the server's back, with its own settings:

python -m tests.browser.pages_links     for each EMAIL of a line: lets the time of their links run out
"""

import sys

import psycopg

from server.settings import load

EXPIRE = """
UPDATE link SET expires_at = clock_timestamp() - interval '1 second' FROM "user"
WHERE "user".workspace_id = link.workspace_id AND "user".id = link.user_id AND "user".email = %s
"""


def main() -> None:
    with psycopg.connect(load().database_address, autocommit=True) as connection:
        for line in sys.stdin:
            connection.execute(EXPIRE, (line.strip(),))
            print("done", flush=True)


if __name__ == "__main__":
    main()
