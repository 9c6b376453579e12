"""A daemon reduced to its player, for a test to kill: says its port's name, and plays held notes when signalled."""

import asyncio
import signal
import sys

from bridge.midi.client import PlayerProcess
from bridge.midi.options import PlayerOptions
from bridge.session.playback import Part, PlayerEvent, PortChanged
from tests.midi.rig import VOCALS, known, note


async def main(server: str) -> None:
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[str] = loop.create_future()
    go = asyncio.Event()

    def take(event: PlayerEvent) -> None:
        if isinstance(event, PortChanged) and not opened.done():
            opened.set_result(event.name)

    loop.add_signal_handler(signal.SIGUSR1, go.set)
    player = PlayerProcess(PlayerOptions(backend="jack", jack_server=server), take)
    await player.start()
    print(await opened, flush=True)
    await go.wait()
    player.load(Part(VOCALS, 60.0, 0.5))
    player.update(VOCALS, [note(k * 0.01, 60 + k, 50.0) for k in range(60)], (), known(60.0), complete=True)
    player.launch([VOCALS])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
