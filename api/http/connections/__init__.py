"""Connections of clients: listening sockets, and the HTTP protocol on a connection with its limits."""
