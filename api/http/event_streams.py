"""The event streams that this process holds open."""

from api.http.capacity import Capacity


class EventStreams:
    """Limits the number of open event streams. `ending` tells all of them to end, when the server shuts down."""

    def __init__(self, max_streams: int) -> None:
        self.ending = False
        self.capacity = Capacity(max_streams, "watchers", "{} event streams are open in this process, the maximum")
