"""What an operation can answer instead of a result.

    ParleyError            has a code and a message that its caller may read
    |- Refused             an answer that a user can meet: it becomes `userErrors` of a mutation
    |  `- NotFound         not there, or not yours: the two look the same
    |- Unauthenticated     no sign-in
    |  `- SignInEnded      or one that has ended
    |- Malformed           input that no correct client sends
    |- Forbidden           a field that asks for what is not for this viewer
    |- Missing             something that a query needs as a starting point is not there
    `- CursorExpired       a stream can't go on from there: the client queries anew

Same answer for "not there" and "not yours", whatever the operation: else an id could be tried to learn what exists.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why a rule says no: the codes of `userErrors`."""

    BLANK = "BLANK"
    TOO_LONG = "TOO_LONG"
    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    NOT_ACTIVE = "NOT_ACTIVE"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ROOM_ARCHIVED = "ROOM_ARCHIVED"
    MESSAGE_DELETED = "MESSAGE_DELETED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    TOO_LARGE = "TOO_LARGE"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    EXPIRED = "EXPIRED"
    RATE_LIMITED = "RATE_LIMITED"


class RequestCode(StrEnum):
    """Why a field has no answer: the codes of top-level errors that are raised here."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"


# Where in its input the client finds what was refused: names as Python has them, numbers for places in a list.
Path = tuple[str | int, ...]


class ParleyError(Exception):
    code: Code | RequestCode

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.public_message = message


class Refused(ParleyError):
    """A rule says no. `more` holds further refusals of the same input, where several can be told at once."""

    def __init__(self, code: Code, message: str, *field: str | int, more: "tuple[Refused, ...]" = ()) -> None:
        super().__init__(message)
        self.code: Code = code
        self.field: Path | None = field or None
        self.more = more

    def all(self) -> "list[Refused]":
        return [self, *self.more]


class NotFound(Refused):
    def __init__(self, *field: str | int) -> None:
        super().__init__(Code.NOT_FOUND, "Not found.", *field)


class Unauthenticated(ParleyError):
    code = RequestCode.UNAUTHENTICATED

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class SignInEnded(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("This sign-in has ended.")


class Malformed(ParleyError):
    code = RequestCode.BAD_USER_INPUT


class Forbidden(ParleyError):
    code = RequestCode.FORBIDDEN


class Missing(ParleyError):
    code = RequestCode.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("Not found.")


class CursorExpired(ParleyError):
    code = RequestCode.CURSOR_EXPIRED

    def __init__(self) -> None:
        super().__init__("The event that this cursor names is not there any more. Query anew, and continue from there.")


class TooMuch(ParleyError):
    code = RequestCode.QUERY_TOO_COMPLEX

    def __init__(self) -> None:
        super().__init__("These are more texts than one answer may hold: ask for smaller pages.")


def refuse_all(refusals: list[Refused]) -> None:
    """Raise them together, or not at all.

    Raises:
        Refused: the first, which holds the others.
    """
    if refusals:
        first, *others = refusals
        first.more = tuple(others)
        raise first
