"""Uvicorn, as Parley wants it."""

import uvicorn

from server.settings import Settings

APPLICATION = "server.application:create_app"
GRACE = 10  # seconds for requests that run when the process is asked to end


def serve(settings: Settings) -> None:
    """Until SIGINT or SIGTERM."""
    uvicorn.run(
        APPLICATION,
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # a third of a delivery, and frames could not be made once for many
        access_log=False,  # a query in a GET would put texts into the log
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=GRACE,
    )
