"""`python -m deploy.alias show | set | delete`: which version an alias of a model means, asked of a running API.

The API's address is --url or MNISTIFIED_URL, the key MNISTIFIED_KEY. Exit status: 0 done; 1 the service refuses; 2 a
wrong command line; 3 the service cannot be reached, or is not able to now.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

DEFAULT_URL = "http://127.0.0.1:5000"
CONNECT_S = 10.0
MOST_WAIT_S = 3600.0  # that a service may be set to
SPARE_S = 30.0  # beyond what the service itself waits
SHOWN_CHANGES = 10
REFUSED, UNREACHABLE = 1, 3


class Failed(Exception):
    """The message is for the operator; `status` is to exit with."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def main(argv: Sequence[str] | None = None) -> int:
    """Do what `argv` says and return the exit status. What went wrong is told on stderr, in a line."""
    parser = make_parser()
    options = parser.parse_args(argv)
    key = os.environ.get("MNISTIFIED_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    wait_s = MOST_WAIT_S if options.wait is None else options.wait
    timeout = httpx.Timeout(CONNECT_S, read=max(wait_s, 0) + SPARE_S)
    try:
        with httpx.Client(base_url=options.url, headers=headers, timeout=timeout) as http:
            print("\n".join(options.run(http, options)))
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        parser.error(f"--url {options.url!r}: {error}")
    except httpx.HTTPError as error:
        print(f"alias: {options.url} cannot be reached: {error or repr(error)}", file=sys.stderr)
        return UNREACHABLE
    except Failed as error:
        print(f"alias: {error}", file=sys.stderr)
        return error.status
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.alias", description=__doc__)
    url = os.environ.get("MNISTIFIED_URL") or DEFAULT_URL
    parser.add_argument("--url", default=url, help="of the API (default: MNISTIFIED_URL, or %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("show", help="what models there are, and what their aliases mean")
    command.add_argument("model", nargs="?", help="one model only, and the last changes of its aliases")
    command.set_defaults(run=show, wait=None)

    command = commands.add_parser("set", help="from now on an alias means a version")
    _add_subject(command)
    command.add_argument("version", type=int)
    command.add_argument("--canary", type=int, metavar="VERSION", help="a version that gets a share of the requests")
    command.add_argument("--canary-percent", type=float, metavar="PERCENT", help="its share")
    command.add_argument("--shadow", type=int, metavar="VERSION", help="a version whose answers are only compared")
    command.add_argument("--force", action="store_true", help="though the gate says no; takes a --reason")
    _add_change_options(command)
    command.set_defaults(run=set_alias)

    command = commands.add_parser("delete", help="an alias means nothing any more")
    _add_subject(command)
    _add_change_options(command)
    command.set_defaults(run=delete_alias)
    return parser


def show(http: httpx.Client, options: argparse.Namespace) -> list[str]:
    if options.model is None:
        return tell_models(_answer(http.get("/models"))["models"])
    model = _answer(http.get(f"/models/{quote(options.model, safe='')}"))
    changes = _answer(http.get(model["links"]["changes"], params={"limit": SHOWN_CHANGES}))
    return [*tell_models([model]), *tell_changes(changes["changes"])]


def set_alias(http: httpx.Client, options: argparse.Namespace) -> list[str]:
    asked = {"version": options.version, "reason": options.reason, "force": options.force}
    for field in ("canary", "canary_percent", "shadow"):
        if getattr(options, field) is not None:
            asked[field] = getattr(options, field)
    return [tell_change(_answer(http.post(_path(options), json=asked, params=_wait(options))))]


def delete_alias(http: httpx.Client, options: argparse.Namespace) -> list[str]:
    return [tell_change(_answer(http.delete(_path(options), params=_wait(options) | {"reason": options.reason})))]


def tell_models(models: list[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for model in models:
        versions = ", ".join(map(str, model["versions"])) or "none"
        lines.append(f"{model['name']}: serves {model['serves'] or 'nothing'}; versions {versions}")
        lines += [f"  {alias} = {tell_alias(means)}" for alias, means in model["aliases"].items()]
    return lines


def tell_change(change: dict[str, Any]) -> str:
    return f"{change['model']}/{change['alias']}: {tell_alias(change['from'])} -> {tell_alias(change['to'])}"


def tell_changes(changes: list[dict[str, Any]]) -> list[str]:
    lines = ["changes:"] if changes else []
    for change in changes:
        at = datetime.fromtimestamp(change["at_ms"] / 1e3, UTC)
        forced = " (forced)" if change["forced"] else ""
        reason = f": {change['reason']}" if change["reason"] else ""
        lines.append(f"  {at:%Y-%m-%d %H:%M:%S} UTC, {change['by'] or 'anyone'}, {tell_change(change)}{forced}{reason}")
    return lines


def tell_alias(alias: dict[str, Any] | None) -> str:
    """As `2, canary 3 at 5 %, shadow 4`."""
    if alias is None:
        return "nothing"
    parts = [str(alias["version"])]
    if alias["canary"] is not None:
        parts.append(f"canary {alias['canary']} at {alias['canary_percent']:g} %")
    if alias["shadow"] is not None:
        parts.append(f"shadow {alias['shadow']}")
    return ", ".join(parts)


def _add_subject(command: argparse.ArgumentParser) -> None:
    command.add_argument("model")
    command.add_argument("alias", help="as champion or candidate")


def _add_change_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--reason", default="", help="why; it is recorded")
    command.add_argument(
        "--wait", type=float, metavar="S", help="how long the workers may take to load (default: its own)"
    )


def _path(options: argparse.Namespace) -> str:
    return f"/models/{quote(options.model, safe='')}/aliases/{quote(options.alias, safe='')}"


def _wait(options: argparse.Namespace) -> dict[str, Any]:
    return {} if options.wait is None else {"wait": options.wait}


def _answer(reply: httpx.Response) -> Any:
    """What the service says. Raises Failed where it is no success, or not the service."""
    try:
        told = reply.json()
    except ValueError:
        raise Failed(f"{reply.url} answers {reply.status_code}, without JSON: is it the API?", UNREACHABLE) from None
    if reply.status_code == 200:
        return told
    detail = told.get("detail", told) if isinstance(told, dict) else told
    raise Failed(f"{reply.status_code}: {detail}", UNREACHABLE if reply.status_code >= 500 else REFUSED)


if __name__ == "__main__":
    sys.exit(main())
