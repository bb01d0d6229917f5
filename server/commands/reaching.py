"""Settings whose database answers, or one line that says what is wrong with it."""

from server.settings import Settings, SettingsError, load


def reached() -> Settings:
    """
    Raises:
        SettingsError: also where the database can't be reached.
    """
    from server.doctor import database_fault

    settings = load()
    if fault := database_fault(settings):
        raise SettingsError(fault)
    return settings
