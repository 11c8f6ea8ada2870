"""The SDK that these tests talk with is the published one, and imports with our lock instead of its stale pins."""

import base64
import hashlib
import importlib
from importlib.metadata import distribution

import pytest
from packaging.version import Version

NEWER_THAN_PINNED = {
    "aiohttp": "3.14",
    "requests": "2.32.4",
    "aws-lambda-powertools": "3.20",
    "websocket-client": "1.8",
}


def test_every_file_of_the_sdk_is_as_published(figure):
    sdk = distribution("fyers-apiv3")
    assert sdk.version == "3.2.0"
    checked = changed = 0
    for file in sdk.files:
        if file.hash is None:
            continue
        checked += 1
        digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
        changed += base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value
    assert checked > 10
    figure("sdk_files_changed", changed, bound="== 0", unit="files", gate=True)


@pytest.mark.parametrize(("name", "least"), NEWER_THAN_PINNED.items())
def test_the_lock_overrides_the_stale_pin(name, least):
    pins = [line for line in distribution("fyers-apiv3").requires if line.replace("_", "-").startswith(name)]
    assert pins and "==" in pins[0] and Version(distribution(name).version) >= Version(least)


def test_the_python_3_3_backport_of_asyncio_is_not_installed():
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        distribution("asyncio")


@pytest.mark.parametrize("module", ["data_ws", "tbt_ws", "order_ws"])
def test_the_socket_modules_import(module):
    importlib.import_module(f"fyers_apiv3.FyersWebsocket.{module}")


def test_the_depth_messages_work_with_the_fast_protobuf():
    from google.protobuf.internal import api_implementation

    messages = importlib.import_module("fyers_apiv3.FyersWebsocket.msg_pb2")
    message = messages.SocketMessage()
    message.feeds["x"].depth.bids.add().price.value = 106_845
    again = messages.SocketMessage.FromString(message.SerializeToString())
    assert again.feeds["x"].depth.bids[0].price.value == 106_845
    assert api_implementation.Type() == "upb"
