"""The broker's host names that the exchange answers for."""

API_HOST = "api-t1.fyers.in"
PUBLIC_HOST = "public.fyers.in"
SOCKET_HOST = "socket.fyers.in"
DEPTH_SOCKET_HOST = "rtsocket-api.fyers.in"
BROKER_HOSTS = (API_HOST, SOCKET_HOST, DEPTH_SOCKET_HOST, PUBLIC_HOST)
