"""The counting behind the rules of `resolvers/limit.py`.

shared      for all processes, in Valkey; while that does not answer, this process's own
scripts     what Valkey decides by          exchange   how it is asked: many attempts in one trip
buckets     the same in this process        names      what is kept instead of addresses

Both count by the generic cell rate algorithm (ITU-T I.371, as virtual scheduling): of a bucket only one time is kept,
at which it is full again. An attempt moves it on by the seconds that one costs, and there is room as long as it is not
further ahead than a burst. So a bucket that is full again is nothing, and expires by itself.
"""

from server.limiter.buckets import Buckets
from server.limiter.shared import SharedLimiter

__all__ = ["Buckets", "SharedLimiter"]
