"""The words of mails: one catalogue by language, so that another language is another entry.

In braces: `name` of the recipient, `firm`, `inviter`, `until`.
"""

from datetime import datetime
from typing import NamedTuple

from models.mail import MailKind


class Words(NamedTuple):
    subject: str
    greeting: str
    lead: str
    # What the link does: the button's label.
    action: str
    until: str
    # Why the mail came, for whom it surprises.
    reason: str


class Language(NamedTuple):
    kinds: dict[MailKind, Words]
    # An invitation that nobody by name has sent.
    invitation_by_nobody: Words
    months: tuple[str, ...]
    moment: str

    def words(self, kind: MailKind, inviter: str) -> Words:
        by_nobody = kind is MailKind.INVITATION and not inviter
        return self.invitation_by_nobody if by_nobody else self.kinds[kind]

    def written(self, moment: datetime) -> str:
        """A moment, in the time zone that it has."""
        month = self.months[moment.month - 1]
        return self.moment.format(
            day=moment.day, month=month, year=moment.year, time=f"{moment:%H:%M}", zone=moment.tzname()
        )


_INVITATION = Words(
    subject="{inviter} invites you to {firm}",
    greeting="Hello {name},",
    lead="{inviter} has made an account for you at {firm}, where you read and write messages. "
    "Choose a password, and you are in.",
    action="Accept the invitation",
    until="The link works once, until {until}.",
    reason="If you did not expect an invitation, you need not do anything.",
)

ENGLISH = Language(
    kinds={
        MailKind.INVITATION: _INVITATION,
        MailKind.SIGN_IN: Words(
            subject="Your link to sign in at {firm}",
            greeting="Hello {name},",
            lead="With this link you sign in at {firm}.",
            action="Sign in",
            until="It works once, until {until}. Pass it on to nobody.",
            reason="If you did not ask for it, somebody has typed your address, perhaps by mistake. "
            "You need not do anything.",
        ),
        MailKind.RESET: Words(
            subject="A new password for {firm}",
            greeting="Hello {name},",
            lead="With this link you set a new password for your account at {firm}.",
            action="Set a new password",
            until="It works once, until {until}. Pass it on to nobody.",
            reason="If you did not ask for it, you need not do anything: your password stays as it is.",
        ),
    },
    invitation_by_nobody=_INVITATION._replace(
        subject="You are invited to {firm}",
        lead="There is an account for you at {firm}, where you read and write messages. "
        "Choose a password, and you are in.",
    ),
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    moment="{day} {month} {year}, {time} {zone}",
)
