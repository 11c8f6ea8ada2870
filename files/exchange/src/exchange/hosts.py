"""The host names that the exchange answers for."""

API_HOST = "api-t1.fyers.in"
PUBLIC_HOST = "public.fyers.in"
SOCKET_HOST = "socket.fyers.in"
DEPTH_SOCKET_HOST = "rtsocket-api.fyers.in"
ARCHIVE_HOST = "nsearchives.nseindia.com"
LIST_HOST = "www.nseindia.com"
"""Of the exchange proper, which publishes its holidays there."""
SCHWAB_HOST = "api.schwabapi.com"
SCHWAB_STREAM_HOST = "streamer-api.schwab.com"
SCHWAB_HOSTS = (SCHWAB_HOST, SCHWAB_STREAM_HOST)
"""Of the second broker, served in the market us."""
BROKER_HOSTS = (API_HOST, SOCKET_HOST, DEPTH_SOCKET_HOST, PUBLIC_HOST, LIST_HOST, ARCHIVE_HOST, *SCHWAB_HOSTS)
LOOPBACK = "localhost"
"""Named in the certificate as well: a client that asks no proxy is led there."""
CERTIFIED_HOSTS = (*BROKER_HOSTS, LOOPBACK)

SYMBOL_TOKEN_PATH = "/data/symbol-token"  # noqa: S105
DATA_SOCKET_PATH = "/hsm/v1-5/prod"
DEPTH_SOCKET_PATH = "/versova"
ORDER_SOCKET_PATH = "/trade/v3"
SCHWAB_STREAM_PATH = "/ws"
DEPTH_ADDRESS_PATH = "/indus/home/tbtws"
DEPTH_SOCKET_URL = f"wss://{DEPTH_SOCKET_HOST}{DEPTH_SOCKET_PATH}"
"""Paths and address that the SDK 3.2.0 holds as literals."""
