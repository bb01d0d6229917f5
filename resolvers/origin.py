"""From where somebody asks. Made by `server/` for each request, kept with the audit log and with sign-ins."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """`address`: of the client as the trusted proxies tell it, in the usual form of IPv4 or IPv6; `user_agent`: what
    it says that it is, cut to 400 characters. None for what is not known, as from the command line."""

    address: str | None = None
    user_agent: str | None = None


UNKNOWN = Origin()
