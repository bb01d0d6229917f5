"""What text people may write: one place that says what is blank, too long, or no text at all."""

import unicodedata
from functools import cache
from typing import NewType
from zoneinfo import available_timezones

import email_validator

from resolvers.errors import Code, Malformed, Refused

MESSAGE_LIMIT = 10_000
# A message is stored untrimmed; white space around it is the author's, within reason.
UNTRIMMED_LIMIT = 2 * MESSAGE_LIMIT
NAME_LIMIT = 200
KEY_LIMIT = 200
ADDRESS_LIMIT = 320  # RFC 3696, with its errata
# Normalising composes at most four code points into one, so that more than four times a limit can't come to fit it.
COMPOSED = 4
# Combining marks in a row: Unicode's own bound for text that is safe to process (UAX #15, Stream-Safe Text Format).
# Putting longer runs into their order takes time that grows with the square of their length.
MARKS_LIMIT = 30
# Letters and symbols by category that show nothing: Hangul fillers and the blank Braille pattern.
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
# Letters and marks of Unicode's property Default_Ignorable_Code_Point, which show nothing either: the grapheme joiner,
# Khmer vowels that are inherent, and what chooses a variant of the character before it.
IGNORED = "\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f" + "".join(
    map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)
# Unicode's property Bidi_Control: they show a text in another order than it has, and so as another one.
BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Octets of an address that mail can go to (RFC 5321, 4.5.3.1), as it goes over the wire.
MAILABLE_LIMIT = 254
LOCAL_PART_LIMIT = 64
# Names such as .test and .local mean something where somebody says what: in tests, and in a firm's own network.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

Body = NewType("Body", str)
Name = NewType("Name", str)
Key = NewType("Key", str)
Address = NewType("Address", str)


def message_body(given: str) -> Body:
    """A message's text as it is stored: NFC, `\\n` as line break, untrimmed.

    Raises:
        Refused: INVALID, BLANK or TOO_LONG at `body`.
    """
    text = _normal(given.replace("\r\n", "\n").replace("\r", "\n"), UNTRIMMED_LIMIT, "body")
    if not _says_something(text):
        raise Refused(Code.BLANK, "Write something.", "body")
    # Code points, counted as stored, without the white space around them.
    if len(text.strip()) > MESSAGE_LIMIT or len(text) > UNTRIMMED_LIMIT:
        raise Refused(Code.TOO_LONG, f"A message has at most {MESSAGE_LIMIT:,} characters.", "body")
    return Body(text)


def room_name(given: str) -> Name:
    """
    Raises:
        Refused: INVALID, BLANK or TOO_LONG at `name`.
    """
    return _name(given, "Give the room a name.")


def workspace_name(given: str) -> Name:
    """
    Raises:
        Refused: INVALID, BLANK or TOO_LONG at `name`.
    """
    name = _name(given, "Give the workspace a name.")
    if any(character in BIDI_CONTROLS for character in name):
        raise Refused(Code.INVALID, "A name has no characters that change the direction of text.", "name")
    return name


def portal_name(given: str) -> Name:
    """
    Raises:
        Refused: INVALID, BLANK or TOO_LONG at `name`.
    """
    return _name(given, "Give the portal a name.")


def person_name(given: str) -> Name:
    """A person's name as it is stored: as a room's, and without controls of the direction of text, with which it could
    show as somebody else's.

    Raises:
        Refused: INVALID, BLANK or TOO_LONG at `name`.
    """
    name = _name(given, "Write a name.")
    if any(character in BIDI_CONTROLS for character in name):
        raise Refused(Code.INVALID, "A name has no characters that change the direction of text.", "name")
    return name


def email_address(given: str) -> Address:
    """An address that mail can be sent to, as it is stored: trimmed and NFC, with the case that it was given.

    What is accepted: one `@`; before it, dots and what RFC 5322 allows unquoted, or letters of any script (RFC 6531),
    in at most 64 octets; after it a domain of two or more labels that IDNA 2008 knows; at most 254 octets in all. So no
    white space, quotes, commas, angle brackets, controls, nor anything that is not to be seen. Whether there is such a
    mailbox is not asked. Two spellings of one domain, in letters and as `xn--`, are two addresses.

    Raises:
        Refused: BLANK, TOO_LONG or INVALID at `email`.
    """
    address = _normal(given.strip(), ADDRESS_LIMIT, "email").strip()
    if not _says_something(address):
        raise Refused(Code.BLANK, "Write an e-mail address.", "email")
    # The library refuses what else is not to be seen, as it is no letter.
    if any(character in FILLERS or character in IGNORED for character in address):
        raise Refused(Code.INVALID, "This is no e-mail address.", "email")
    local, _, domain = address.rpartition("@")
    if len(address.encode()) > MAILABLE_LIMIT or len(local.encode()) > LOCAL_PART_LIMIT:
        raise Refused(Code.TOO_LONG, f"An e-mail address has at most {MAILABLE_LIMIT} bytes.", "email")
    try:
        found = email_validator.validate_email(address, check_deliverability=False)
    except email_validator.EmailNotValidError:
        raise Refused(Code.INVALID, "This is no e-mail address.", "email") from None
    # What is stored is what was given, so no domain that becomes another one when somebody normalises it.
    if domain.lower() not in (found.domain, found.ascii_domain):
        raise Refused(Code.INVALID, "This is no e-mail address.", "email")
    return Address(address)


def known_time_zone(given: str) -> str:
    """A time zone of the IANA database, as it is spelled there.

    Raises:
        Refused: INVALID at `time_zone`.
    """
    if given not in _time_zones():
        raise Refused(Code.INVALID, "This is no time zone: give one like Europe/Berlin.", "time_zone")
    return given


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def ascii_domain(address: Address) -> str:
    """The same mailbox, with its domain as SMTP writes it. What stands before the `@` has no such form."""
    found = email_validator.validate_email(address, check_deliverability=False)
    return f"{address.rpartition('@')[0]}@{found.ascii_domain}"


def idempotency_key(given: str | None) -> Key | None:
    """A key as it came: it is compared, never shown to others, and so not normalised.

    Raises:
        Refused: INVALID, BLANK or TOO_LONG at `idempotency_key`.
    """
    if given is None:
        return None
    if not given:
        raise Refused(Code.BLANK, "The key is empty.", "idempotency_key")
    if len(given) > KEY_LIMIT:
        raise Refused(Code.TOO_LONG, f"A key has at most {KEY_LIMIT} characters.", "idempotency_key")
    if not is_text(given):
        raise Refused(Code.INVALID, "The key holds characters that are no text.", "idempotency_key")
    return Key(given)


def search_key(given: str) -> str:
    """What a filter looks for, folded as names are.

    Raises:
        Malformed: it is no text, or longer than anything that it could be found in.
    """
    key = _comparable(given)
    if key is None:
        raise Malformed("The query is too long, or holds characters that are no text.")
    return key


def address_key(given: str) -> str | None:
    """What counts as the same address: trimmed, NFC and case folded. None for what can't be one."""
    return _comparable(given)


def same_mailbox(one: str, other: str) -> bool:
    """Stricter than `address_key`, which takes `ß` and `ss` for one: as domains they are two. For what one may do who
    has the mailbox, rather than who types its address."""
    first, second = (unicodedata.normalize("NFC", text.strip()).lower() for text in (one, other))
    return first == second


def folded(text: str) -> str:
    """NFC and case folded: what is compared when case does not matter. For text whose size and marks are bounded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def is_text(text: str) -> bool:
    """PostgreSQL stores neither NUL nor lone surrogates, and neither is text to anybody."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _comparable(given: str) -> str | None:
    """Trimmed and folded; None for what is no text, or longer than an address or a name can be."""
    given = given.strip()
    if len(given) > COMPOSED * ADDRESS_LIMIT or not is_text(given) or _has_too_many_marks(given):
        return None
    return folded(given)


def _name(given: str, blank: str) -> Name:
    name = _normal(given.strip(), NAME_LIMIT, "name").strip()
    if not _says_something(name):
        raise Refused(Code.BLANK, blank, "name")
    if len(name) > NAME_LIMIT:
        raise Refused(Code.TOO_LONG, f"A name has at most {NAME_LIMIT} characters.", "name")
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        raise Refused(Code.INVALID, "A name is one line, without control characters.", "name")
    return Name(name)


def _normal(given: str, limit: int, field: str) -> str:
    """NFC, of text that is bounded before anything is done with it that takes long.

    Raises:
        Refused: INVALID or TOO_LONG.
    """
    if not is_text(given):
        raise Refused(Code.INVALID, "This holds characters that are no text.", field)
    if len(given) > COMPOSED * limit:
        raise Refused(Code.TOO_LONG, "This is far too long.", field)
    if _has_too_many_marks(given):
        raise Refused(Code.INVALID, f"This holds more than {MARKS_LIMIT} combining marks in a row.", field)
    return unicodedata.normalize("NFC", given)


def _has_too_many_marks(text: str) -> bool:
    if text.isascii():
        return False
    classes = bytes(map(unicodedata.combining, text))
    return max(map(len, classes.split(b"\0"))) > MARKS_LIMIT


def _says_something(text: str) -> bool:
    """Whether there is anything to see: white space, controls, invisible format characters and fillers are nothing."""
    return any(
        not character.isspace() and character not in FILLERS and unicodedata.category(character) not in ("Cc", "Cf")
        for character in text
    )
