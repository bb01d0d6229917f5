"""Hints through Valkey: "this workspace's line of events has come to that position".

A hint is worth something for a moment and never owed: a sweep finds what the line says anyway. So nothing here waits
for Valkey, fails because of it, or keeps more than one hint per workspace.

hints       what the process has: publish, hear         sender    its own hints, on their way to Valkey
listener    what Valkey says, for broadcaster           link      the connections, and what to do when they fail
"""

from server.broadcast.hints import Hints

__all__ = ["Hints"]
