"""The TLS listener, which can be taken down and put up again on the same port."""

import asyncio
import errno
import socket
import ssl

from aiohttp import web

from harvester.base.errors import HarvesterError

BACKLOG = 512


class Listener:
    """Serves one application. `port` is the real one after `open`, also when 0 was asked for."""

    def __init__(self, app: web.Application, address: str, port: int, tls: ssl.SSLContext) -> None:
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self.address = address
        self.port = port
        self._tls = tls
        self._site: web.SockSite | None = None

    async def start(self) -> None:
        """Set the application up and listen."""
        await self._runner.setup()
        await self.open()

    async def open(self) -> None:
        """Listen. Raises HarvesterError when the address cannot be had."""
        try:
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            sock = socket.create_server((self.address, self.port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise HarvesterError(_explain(error, self.address, self.port)) from error
        self.port = sock.getsockname()[1]
        self._site = web.SockSite(self._runner, sock, ssl_context=self._tls, backlog=BACKLOG)
        await self._site.start()

    async def close(self) -> None:
        """Stop listening and drop every connection at once."""
        if self._site:
            await self._site.stop()
            self._site = None
        server = self._runner.server
        for connection in list(server.connections) if server else []:
            transport = connection.transport
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """End for good."""
        await self.close()
        await self._runner.cleanup()


def _explain(error: OSError, address: str, port: int) -> str:
    where = f"{address}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is in use by another program, perhaps an exchange that is still running. Stop that one, or choose"
            " another port with --port (0 takes a free one)."
        )
    if error.errno == errno.EACCES:
        return f"{where} may be opened by root alone. Run as root, or choose a port above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is not an address of this machine. Bring its interface up first, or choose another --address."
    return f"{where} cannot be opened ({error.strerror or error}). Check --address and --port."
