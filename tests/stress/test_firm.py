"""What a server's log may hold, and what not."""

import logging
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from server import fault
from tests.stress.firm import Api


@pytest.mark.parametrize(
    ("error", "fair"),
    [
        (psycopg.OperationalError("the connection is lost"), True),
        (errors.AdminShutdown(), True),
        (errors.LockNotAvailable(), True),
        (errors.UniqueViolation(), False),
        (errors.DeadlockDetected(), False),
        (KeyError("no such thing"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_logged_fault_is_a_complaint_unless_what_is_broken_explains_it(
    error: Exception, fair: bool, tmp_path: Path
) -> None:
    api = Api(tmp_path / "api", {})
    handler = logging.FileHandler(api.log)
    log = logging.Logger("of this test")
    log.addHandler(handler)
    log.info("serving")
    try:
        raise error
    except Exception as raised:
        fault.record(log, raised, "in a test")
    handler.close()
    assert (api.complaints == []) is fair


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "ERROR:    Exception in ASGI application"])
def test_what_python_and_uvicorn_say_of_a_fault_is_a_complaint(line: str, tmp_path: Path) -> None:
    api = Api(tmp_path / "api", {})
    api.log.write_text(f"INFO:     Application startup complete.\n{line}\n")
    assert len(api.complaints) == 1
