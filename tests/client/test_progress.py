import sys

import pytest

from mnistified.commands.progress import Bar


@pytest.mark.parametrize("quiet", [False, True])
def test_a_quiet_command_shows_no_progress_on_a_terminal(
    quiet: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("sending", "B", 10, quiet=quiet) as bar:
        bar.show(10)
    assert ("sending" in capsys.readouterr().err) is not quiet
