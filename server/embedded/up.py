"""`parley up`: everything that Parley needs, from nothing, in one terminal."""

import asyncio
import errno
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from server.demo import PASSWORD
from server.demo.people import PEOPLE
from server.embedded import EmbeddedError
from server.embedded.command import Command
from server.embedded.lock import FolderLock
from server.embedded.make import Make, supervise
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.service import EmbeddedService
from server.embedded.supervisor import Output, Part, Supervisor
from server.embedded.valkey import EmbeddedValkey
from server.explorer.place import built
from server.settings import Settings, variable

LOCAL = "127.0.0.1"
NAMES = ("postgres", "valkey", "mail", "migrate", "demo", "portal", "api", "worker", "beat")


def run(settings: Settings, make: Make | None = None, *, portal: bool = False) -> int:
    """`portal`: with the demo's, whose issuer the settings name. Returns the exit status. Raises EmbeddedError, before
    anything is started, for whatever can be known then."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # until the supervisor takes over
    output = Output(sys.stdout, NAMES)
    lock = _claim(settings.data_folder)
    services: list[EmbeddedService] = []
    try:
        _check_ports(settings, portal=portal)
        if settings.embedded_database:
            postgres = EmbeddedPostgres(settings.data_folder)
            services.append(postgres)
            if not postgres.data.exists():
                output.say("making the database")
        if settings.embedded_valkey:
            services.append(EmbeddedValkey(settings.data_folder))
        for service in services:
            service.prepare()
        supervisor = Supervisor(stages(settings, services, portal=portal), output)
        return asyncio.run(supervise(supervisor, lambda: welcome(settings, portal=portal), make))
    finally:
        for service in services:
            service.release()
        lock.release()


def stages(settings: Settings, services: Sequence[EmbeddedService], *, portal: bool = False) -> list[list[Part]]:
    """What starts together, in the order in which it starts."""
    environment = {**os.environ, **settings.variables(), "PYTHONUNBUFFERED": "1"}

    def parley(*arguments: str) -> Command:
        # -P: a folder named `schema` or `models` where somebody happens to stand is none of ours.
        return Command([sys.executable, "-P", "-m", "server.cli", *arguments], Path.cwd(), environment)

    ground = [_part_of(service) for service in services]
    if settings.embedded_mail:
        ground.append(Part("mail", parley("mail-catcher"), ready=lambda: _listens(settings.mail_page_port)))
    migrate = [Part("migrate", parley("migrate"), step=True)]
    filling = parley("demo", "--harbor") if portal else parley("demo")
    demo = [] if settings.production else [Part("demo", filling, step=True)]
    processes = [
        Part("api", parley("serve"), ready=lambda: _healthy(settings)),
        Part("worker", parley("worker")),
        Part("beat", parley("beat")),
    ]
    if portal:
        processes.append(Part("portal", parley("portal-host"), ready=lambda: _listens(settings.portal_port)))
    return [stage for stage in (ground, migrate, demo, processes) if stage]


def _part_of(service: EmbeddedService) -> Part:
    return Part(
        service.name,
        service.command(),
        ready=service.ready,
        tidy=service.tidy,
        ended=service.release,
        start_seconds=service.start_seconds,
        stop_seconds=service.stop_seconds,
        muted=service.muted,
    )


def welcome(settings: Settings, *, portal: bool = False) -> str:
    address = settings.public_address
    lines = ["", "Parley is ready.", "", f"  start      {address}/", f"  GraphQL    {address}/graphql"]
    if settings.explorer:
        there = f"{address}/graphql, in a browser" if built() else "not built: make explorer"
        lines.append(f"  explorer   {there}")
    if settings.embedded_mail:
        lines.append(f"  mail       http://localhost:{settings.mail_page_port}")
    if portal:
        lines.append(f"  portal     http://localhost:{settings.portal_port}, of Harbor Legal, with its own sign-in")
    if not settings.production:
        width = max(len(person.email) for person in PEOPLE) + 4
        lines += ["", f"  Sign in, with the password {PASSWORD}, as"]
        lines += [f"    {person.email:{width}}{person.about}" for person in PEOPLE]
    return "\n".join([*lines, "", "Ctrl-C stops everything. The data stay.", ""])


def _claim(folder: Path) -> FolderLock:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FolderLock(folder / "up.lock", f"{variable('data_dir')} {folder}")
        lock.take()
    except OSError as error:
        raise EmbeddedError(f"{variable('data_dir')}: {error.filename or folder}: {error.strerror}") from None
    return lock


def _check_ports(settings: Settings, *, portal: bool = False) -> None:
    wanted = [(settings.host, settings.port, "port")]
    if settings.embedded_mail:
        wanted += [(LOCAL, settings.smtp_catcher_port, "smtp_catcher_port")]
        wanted += [(LOCAL, settings.mail_page_port, "mail_page_port")]
    if portal:
        wanted.append((LOCAL, settings.portal_port, "portal_port"))
    faults = [fault for host, port, name in wanted if (fault := _port_fault(host, port, variable(name)))]
    if faults:
        raise EmbeddedError("\n".join(faults))


def _port_fault(host: str, port: int, name: str) -> str | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} is taken: set {name} to a free one"
        return f"{host}:{port} cannot be listened on ({error.strerror}): see {name}"
    return None


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOCAL, port), timeout=5).close()
    except OSError:
        return False
    return True


def _healthy(settings: Settings) -> bool:
    everywhere = {"0.0.0.0": LOCAL, "": LOCAL, "::": "[::1]"}  # noqa: S104  where to look, not where to listen
    host = everywhere.get(settings.host, settings.host)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://{host}:{settings.port}/healthz", timeout=5
        ) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
