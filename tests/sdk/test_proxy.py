"""The CONNECT proxy leads to the broker's hosts and nowhere else, with TLS checked all the way."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import websocket

from exchange.hosts import BROKER_HOSTS


def say(server, request):
    proxy = urlsplit(server.exchange.proxy_url)
    with socket.create_connection((proxy.hostname, proxy.port), timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(200).split(b"\r\n")[0]


@pytest.mark.parametrize("host", BROKER_HOSTS)
def test_each_broker_host_is_led_on(server, host):
    assert b" 200 " in say(server, f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "line",
    ["CONNECT example.com:443", "CONNECT api-t1.fyers.in:80", "CONNECT 127.0.0.1:22", "GET http://api-t1.fyers.in/",
     "CONNECT api-t1.fyers.in.example.com:443", "nonsense nonsense"],
)  # fmt: skip
def test_anything_else_is_forbidden(server, line):
    assert b" 403 " in say(server, f"{line} HTTP/1.1\r\n\r\n".encode())


def test_without_our_authority_the_sdk_sees_no_answer(server, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("SSL_CERT_FILE")
    answer = server.sdk().get_profile()
    assert answer["s"] == "error" and answer["code"] == -99


def test_the_environment_alone_leads_requests_httpx_and_websockets(server):
    url = "https://public.fyers.in/sym_details/index_hsm_mapping.json"
    assert requests.get(url, timeout=5).status_code == 200
    with httpx.Client() as client:
        assert client.get(url).status_code == 200
    websocket.create_connection("wss://socket.fyers.in/hsm/v1-5/prod", timeout=5).close()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection("wss://socket.fyers.in/hsm/v1-4/prod", timeout=5)
    assert refused.value.status_code == 404
