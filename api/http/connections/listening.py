"""The sockets on which connections arrive."""

import socket

# uvloop accepts one connection per listening socket in each iteration of the event loop (libuv since 1.45:
# https://github.com/libuv/libuv/pull/3696). Under load an iteration takes milliseconds, so thousands of clients that
# connect together would wait for seconds. Therefore the loop polls several descriptors of the same socket.
ACCEPTS_PER_ITERATION = 16


def bind_listeners(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Return ACCEPTS_PER_ITERATION descriptors of one listening socket for each address of `host`.

    Up to `backlog` connections wait until the event loop accepts them. Raises OSError if the address is in use or does
    not belong to this machine.
    """
    listeners: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            with socket.socket(family) as bound:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # "::" must not bind the IPv4 port, too
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.bind(address)
                bound.listen(backlog)  # reports the conflict that `bind` does not report if nobody listens yet
                listeners.extend(bound.dup() for _ in range(ACCEPTS_PER_ITERATION))
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners
