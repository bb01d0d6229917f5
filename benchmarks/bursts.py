"""Bursts: ten events are due to each socket at once, as after a pause of the network or of a process.

The messages are committed elsewhere, as by another server, and one hint tells of all of them.
"""

from functools import partial
from time import monotonic

from benchmarks.cores import Disturbance
from benchmarks.delivering import PLAIN, SUBSCRIBED, SUBSCRIBERS, all_heard, heard, says
from benchmarks.listener import Listener, listeners
from benchmarks.load import Rate
from benchmarks.people import audience, settings_of
from benchmarks.sending import BODY
from benchmarks.stage import Server, Stage
from benchmarks.table import Aim, show_deliveries
from models.user import UserKind
from resolvers.message import send_message
from resolvers.operation import operate
from resolvers.process import Process
from resolvers.viewer import Viewer
from server.broadcast import Hints
from server.process import make_pool, make_process

BURST = 10
MESSAGES = 100


async def measure(stage: Stage) -> None:
    people = await audience(stage)
    settings = settings_of(stage)
    hints = Hints(stage.hints.url)
    await hints.open()
    async with make_pool(settings) as pool:
        process = make_process(settings, pool, lambda *_: None, lambda *_: None)
        with stage.serving("parley") as server:
            listening = await listeners(server.port, says(people, PLAIN, SUBSCRIBERS), SUBSCRIBED)
            await _rate(stage, process, hints, server, listening, size=BURST, rounds=1)
            single = await _rate(stage, process, hints, server, listening, size=1, rounds=MESSAGES)
            burst = await _rate(stage, process, hints, server, listening, size=BURST, rounds=MESSAGES // BURST)
            for each in listening:
                each.close()
    await hints.close()
    shown = [("one at a time", single), (f"{BURST} at once", burst)]
    show_deliveries(f"Messages committed elsewhere, to {SUBSCRIBERS:,} subscribers", shown)
    other, name = (stage.first_row, "the first row") if stage.first_row else (single, "one at a time")
    by_cpu = f"{other.cpu_ms / burst.cpu_ms:.2f} by the time of the server's core"
    disturbed = max(burst.disturbed, other.disturbed)
    ratio = burst.a_second / other.a_second
    stage.aims.append(
        Aim(f"{BURST} events at once / {name}", ratio, 1.5, at_least=True, note=by_cpu, disturbed=disturbed)
    )


async def _rate(
    stage: Stage, process: Process, hints: Hints, server: Server, listening: list[Listener], *, size: int, rounds: int
) -> Rate:
    """From the hint to the last frame; what is done between the rounds is not counted."""
    at = stage.sample
    viewer = Viewer(at.workspace_id, at.internal.id, at.session_id, UserKind.INTERNAL)
    write = partial(send_message, viewer=viewer, room_id=at.crowded, body=BODY)
    took = 0.0
    disturbance, cpu = Disturbance(), server.cpu_seconds()
    for _ in range(rounds):
        # Before the messages: the server's sweep may find the first of them.
        before = heard(listening)
        for _ in range(size):
            await operate(process, at.workspace_id, write)
        began = monotonic()
        hints.publish(at.workspace_id, 2**62)
        await all_heard(listening, before + size * len(listening))
        took += monotonic() - began
    deliveries = size * rounds * len(listening)
    cpu = server.cpu_seconds() - cpu
    return Rate(deliveries / took, cpu / deliveries * 1000, disturbance.share())
