"""The sockets on which connections arrive."""

import socket

# The event loop (uvloop, by libuv since 1.45: https://github.com/libuv/libuv/pull/3696) takes one connection of a
# listening socket in each of its turns. Under load a turn takes milliseconds, and thousands that connect together would
# wait for seconds before anything they sent is read. So the loop watches several descriptors of the same socket.
PER_TURN = 16


def bind_listeners(host: str, port: int, backlog: int) -> list[socket.socket]:
    """PER_TURN descriptors of one listening socket, for each address that `host` stands for. Up to `backlog`
    connections wait until the loop takes them in.

    Raises OSError where the address is taken, or none of this machine's.
    """
    listeners: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            with socket.socket(family) as bound:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # "::" is not to take IPv4's port as well
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.bind(address)
                bound.listen(backlog)  # two may bind to one address, if neither listens
                listeners.extend(bound.dup() for _ in range(PER_TURN))
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners
