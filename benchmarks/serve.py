"""The servers that are measured, all of them under the same uvicorn: python -m benchmarks.serve NAME."""

import os
import sys

from server import serve as served
from server.settings import load

APPLICATIONS = {
    "parley": served.APPLICATION,
    "bare": "benchmarks.bare:constant",
    "sql": "benchmarks.bare:straight",
    "broadcast": "benchmarks.broadcast:bare",
    "stock": "benchmarks.broadcast:stock",
}

if __name__ == "__main__":
    served.APPLICATION = APPLICATIONS[sys.argv[1]]
    os.environ.setdefault("PARLEY_DATABASE_POOL_SIZE", "10")
    served.serve(load())
