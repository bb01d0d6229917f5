"""The parts that `parley up` brings along, so that nothing has to be installed by hand: PostgreSQL and Valkey from
wheels, and the supervisor that starts and ends them together with Parley's own processes.

`EmbeddedError` is what everything here raises. Its text is one clear line for a person, naming what to change.
"""


class EmbeddedError(Exception):
    """Something that cannot be started, said in one line for a person."""
