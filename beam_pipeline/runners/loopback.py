"""Servers of gRPC on the loopback interface."""

import socket
from collections.abc import Callable


def listen_on_loopback(listen: Callable[[str], int], port: int = 0) -> int:
    """Makes a server of gRPC listen on a port of ``localhost``, both with IPv4 and with IPv6.

    If another program has the port with one of them, gRPC would listen with the other one only, and
    clients that try them in turn would reach that program. So the port is reserved for both before.

    Args:
      listen: the method `add_insecure_port` of a server that may share its ports (SO_REUSEPORT), as
        is the default of gRPC.
      port: the port; 0 for any that is free.

    Returns:
      The port.

    Raises:
      OSError: another program has the port.
    """
    if not socket.has_dualstack_ipv6():
        return listen(f"localhost:{port}")
    with socket.socket(socket.AF_INET6) as reserved:
        reserved.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("", port))
        return listen(f"localhost:{reserved.getsockname()[1]}")
