"""Servers on the loopback interface are reached at each of its addresses, or do not start."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from beam_pipeline.runners.loopback import listen_on_loopback

ADDRESSES = [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]

pytestmark = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6")


@pytest.fixture
def server() -> Iterator[grpc.Server]:
    made = grpc.server(ThreadPoolExecutor(1))
    yield made
    made.stop(None)


@pytest.mark.parametrize(("address", "family"), ADDRESSES)
def test_a_server_is_reached_at_both_addresses_and_no_others(
    server: grpc.Server, address: str, family: socket.AddressFamily
) -> None:
    port = listen_on_loopback(server.add_insecure_port)
    server.start()
    socket.create_connection((address, port)).close()
    with pytest.raises(OSError, match="in use"):
        socket.create_server((address, port), family=family)
    elsewhere = "127.0.0.2" if family == socket.AF_INET else "::2"
    with pytest.raises(OSError), socket.socket(family) as client:
        client.connect((elsewhere, port))


@pytest.mark.parametrize(("address", "family"), ADDRESSES)
def test_a_port_is_not_shared_with_another_program(
    server: grpc.Server, address: str, family: socket.AddressFamily
) -> None:
    with socket.create_server((address, 0), family=family) as other:
        port = other.getsockname()[1]
        # gRPC itself listens on the other address, and says nothing.
        assert server.add_insecure_port(f"localhost:{port}") == port
        with pytest.raises(OSError, match="in use"):
            listen_on_loopback(server.add_insecure_port, port)
