"""The portal's process."""

import uvicorn

from server.demo.portal_host.mint import AUDIENCE, Issuer
from server.demo.portal_host.page import Portal
from server.settings import Settings, SettingsError, origin_of

LOCAL = "127.0.0.1"
WORKSPACE = "harbor-legal"


def address_of(settings: Settings) -> str:
    return f"http://localhost:{settings.portal_port}"


def with_portal(settings: Settings) -> Settings:
    """The same settings, by which Parley believes the portal's tokens and lets its page in.

    Raises SettingsError in production, where there is another issuer, and where the port is taken by Parley itself.
    """
    if settings.production:
        raise SettingsError("the demo's portal lets everybody in as whomever they like: not in production")
    if settings.issuer:
        raise SettingsError("PARLEY_ISSUER is set: the demo's portal is an issuer of its own")
    for name in ("port", "smtp_catcher_port", "mail_page_port"):
        if getattr(settings, name) == settings.portal_port:
            raise SettingsError(f"PARLEY_PORTAL_PORT and PARLEY_{name.upper()} must differ")
    address = address_of(settings)
    return settings.model_copy(
        update={
            "issuer": address,
            "issuer_audience": AUDIENCE,
            "issuer_workspace": WORKSPACE,
            "jwks_url": f"http://{LOCAL}:{settings.portal_port}/jwks",
            "allowed_origins": (*settings.origins, address, f"http://{LOCAL}:{settings.portal_port}"),
        }
    )


def serve(settings: Settings) -> None:
    """Until SIGINT or SIGTERM. Raises SettingsError in production."""
    if settings.production:
        raise SettingsError("the demo's portal lets everybody in as whomever they like: not in production")
    portal = Portal(Issuer(address_of(settings)), origin_of(settings.public_address))
    uvicorn.run(
        portal.app(),
        host=LOCAL,
        port=settings.portal_port,
        access_log=False,
        log_level="warning",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
