"""The token page on this machine: the standard library's server in front of the same handler as in AWS."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from harvester.base.errors import HarvesterError
from harvester.page.service import Service, handle

READ_SECONDS = 10


def make_server(service: Service, address: tuple[str, int]) -> ThreadingHTTPServer:
    """A server that listens there; call serve_forever(). HarvesterError when the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "token-page", ""

        def _answer(self) -> None:
            got = urlsplit(self.path)
            event = {
                "version": "2.0",
                "rawPath": got.path,
                "rawQueryString": got.query,
                "cookies": [part.strip() for part in self.headers.get("Cookie", "").split(";") if part.strip()],
                "requestContext": {"http": {"method": self.command, "sourceIp": self.client_address[0]}},
            }
            answer = handle(event, service)
            body = answer["body"].encode()
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            for cookie in answer.get("cookies", ()):
                self.send_header("Set-Cookie", cookie)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer

        def log_message(self, *_: object) -> None:
            """Nothing: an address may hold a login's code. The handler says a line about each request."""

    try:
        return ThreadingHTTPServer(address, Handler)
    except OSError as error:
        raise HarvesterError(
            f"{address[0]} port {address[1]} cannot be listened on ({error.strerror}). End what uses it, or name"
            " another address with --listen."
        ) from error
