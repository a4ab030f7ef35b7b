"""Routes that tell which of them answers, so that requests are counted by route and not by path."""

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

TEMPLATE = "template"  # of the scope: what the path of the route that answers is made after


class Templated(BaseRoute):
    """`route`, which leaves its template in the scope of what it answers, also where that is a 405."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = self.route.matches(scope)
        return match, found if match is Match.NONE else {**found, TEMPLATE: self.route.path}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.route.handle(scope, receive, send)
