"""Routes that record their path template, so that requests are counted by route and not by path."""

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

TEMPLATE = "template"  # scope key that holds the matched route's path template


class TemplateRoute(BaseRoute):
    """A route that puts its path template into the scope, also if the response is a 405."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = self.route.matches(scope)
        return match, found if match is Match.NONE else {**found, TEMPLATE: self.route.path}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.route.handle(scope, receive, send)
