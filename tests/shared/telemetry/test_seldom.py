import logging

import pytest

from shared.telemetry.seldom import INTERVAL_S, MAX_TEXTS, SeldomLog


def test_a_text_is_logged_once_per_interval_and_another_one_at_once(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    seldom = SeldomLog(logging.getLogger("seldom"), lambda: now_s)
    for text in ("away", "away", "full", "away"):
        seldom.log(logging.WARNING, text)
    assert caplog.messages == ["away", "full"]
    now_s = INTERVAL_S
    seldom.log(logging.WARNING, "away")
    assert caplog.messages == ["away", "full", "away"]


def test_it_remembers_a_bounded_number_of_texts(caplog: pytest.LogCaptureFixture) -> None:
    seldom = SeldomLog(logging.getLogger("seldom"))
    for number in range(MAX_TEXTS + 1):
        seldom.log(logging.WARNING, str(number))
    seldom.log(logging.WARNING, "0")
    assert len(caplog.messages) == MAX_TEXTS + 2
