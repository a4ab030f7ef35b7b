"""`python -m deploy.alias show | set | delete`: read and change what the aliases of models mean, through the API.

The API's address is --url or MNISTIFIED_URL, the key MNISTIFIED_KEY. Exit status: 0 done; 1 refused by the service; 2
wrong command line; 3 the service cannot be reached or cannot do it now.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from mnistified import Client, ServiceError, ServiceFailed, Unreachable
from mnistified.options import DEFAULT_URL

CONNECT_S = 10.0
MAX_WAIT_S = 3600.0  # upper bound of the service's own setting
SHOWN_CHANGES = 10
REFUSED, UNREACHABLE = 1, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status. Errors go to stderr, one line each."""
    parser = make_parser()
    options = parser.parse_args(argv)
    try:
        client = Client(options.url, timeout_s=MAX_WAIT_S + CONNECT_S, retries=0)
    except ValueError as error:
        parser.error(f"--url: {error}")
    with client:
        try:
            print("\n".join(options.run(client, options)))
        except Unreachable as error:
            return fail(f"cannot reach {error}", UNREACHABLE)
        except ServiceError as error:
            if "title" not in error.problem:
                return fail(
                    f"{client.url} answers {error.status} without an error document: is it the API?", UNREACHABLE
                )
            return fail(f"{error.status}: {error.detail}", UNREACHABLE if isinstance(error, ServiceFailed) else REFUSED)
    return 0


def fail(message: str, status: int) -> int:
    print(f"alias: {message}", file=sys.stderr)
    return status


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.alias", description=__doc__)
    url = os.environ.get("MNISTIFIED_URL") or DEFAULT_URL
    parser.add_argument("--url", default=url, help="address of the API (default: MNISTIFIED_URL, or %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("show", help="list the models and what their aliases mean")
    command.add_argument("model", nargs="?", help="show only this model, with the last changes of its aliases")
    command.set_defaults(run=show)

    command = commands.add_parser("set", help="make an alias mean a version")
    _add_subject(command)
    command.add_argument("version", type=int)
    command.add_argument("--canary", type=int, metavar="VERSION", help="version that gets a share of the requests")
    command.add_argument("--canary-percent", type=float, metavar="PERCENT", help="the canary's share of the requests")
    command.add_argument(
        "--shadow", type=int, metavar="VERSION", help="version that runs alongside and whose answers are only compared"
    )
    command.add_argument(
        "--force", action="store_true", help="overrule the quality gate, or change to other images; needs a --reason"
    )
    _add_change_options(command)
    command.set_defaults(run=set_alias)

    command = commands.add_parser("delete", help="delete an alias")
    _add_subject(command)
    _add_change_options(command)
    command.set_defaults(run=delete_alias)
    return parser


def show(client: Client, options: argparse.Namespace) -> list[str]:
    if options.model is None:
        return format_models(client.models().values())
    changes = client.alias_changes(options.model, SHOWN_CHANGES)
    return [*format_models([client.models()[options.model]]), *format_changes(changes)]


def set_alias(client: Client, options: argparse.Namespace) -> list[str]:
    change = client.set_alias(
        options.model,
        options.alias,
        options.version,
        wait_s=options.wait,
        canary=options.canary,
        canary_percent=options.canary_percent,
        shadow=options.shadow,
        reason=options.reason,
        force=options.force,
    )
    return [format_change(change)]


def delete_alias(client: Client, options: argparse.Namespace) -> list[str]:
    change = client.delete_alias(options.model, options.alias, reason=options.reason, wait_s=options.wait)
    return [format_change(change)]


def format_models(models: Iterable[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for model in models:
        versions = ", ".join(map(str, model["versions"])) or "none"
        lines.append(f"{model['name']}: serves {model['serves'] or 'nothing'}; versions {versions}")
        lines += [f"  {alias} = {format_alias(means)}" for alias, means in model["aliases"].items()]
    return lines


def format_change(change: dict[str, Any]) -> str:
    return f"{change['model']}/{change['alias']}: {format_alias(change['from'])} -> {format_alias(change['to'])}"


def format_changes(changes: list[dict[str, Any]]) -> list[str]:
    lines = ["changes:"] if changes else []
    for change in changes:
        at = datetime.fromtimestamp(change["at_ms"] / 1e3, UTC)
        forced = " (forced)" if change["forced"] else ""
        reason = f": {change['reason']}" if change["reason"] else ""
        lines.append(
            f"  {at:%Y-%m-%d %H:%M:%S} UTC, {change['by'] or 'anyone'}, {format_change(change)}{forced}{reason}"
        )
    return lines


def format_alias(alias: dict[str, Any] | None) -> str:
    """Return for example `2, canary 3 at 5 %, shadow 4`."""
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
    command.add_argument("alias", help="for example champion or candidate")


def _add_change_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--reason", default="", help="why; the reason is recorded")
    command.add_argument(
        "--wait",
        type=float,
        metavar="S",
        help="seconds that the workers may take to load the versions (default: ALIAS_WAIT_S of the API)",
    )


if __name__ == "__main__":
    sys.exit(main())
