"""What live delivery is counted by."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What live delivery has done since the process began."""

    executions: int = 0
    """Results that were made."""
    deliveries: int = 0
    """Results that were handed to subscriptions."""
    reads: int = 0
    """Of the line, live and for those who resume."""
    put_off: int = 0
    """Subscriptions that were left to the log, since what was executed for their user alone took too much."""
