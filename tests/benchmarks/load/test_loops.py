"""Commands of the load tools, and what is read out of their output."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.load.client import report
from benchmarks.load.loops import parse_client, parse_wrk, wrk_command
from mnistified.http.load import Load

WRK = """Running 1s test @ http://127.0.0.1:5000/mnist/classify
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.35ms    1.31ms  15.02ms   83.79%
    Req/Sec     3.66k   189.19     3.95k    70.00%
  3649 requests in 1.00s, 1.41MB read
RESULT {"requests":3649,"duration_us":1003120,"p50_us":4105,"p99_us":8934,"status":2,"socket":1,"timeout":0}
"""


def test_wrks_line_becomes_a_load() -> None:
    load = parse_wrk(WRK, connections=16)
    assert (load.connections, load.requests, load.failed, load.tool) == (16, 3647, 3, "wrk")
    assert load.seconds == pytest.approx(1.00312)
    assert (load.p50_ms, load.p99_ms) == (4.105, 8.934)
    assert load.requests_per_s == pytest.approx(3647 / 1.00312)


def test_wrk_without_a_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="no result"):
        parse_wrk("unable to connect to 127.0.0.1:5000 Connection refused", connections=1)


def test_a_load_in_which_all_failed_is_an_error() -> None:
    line = 'RESULT {"requests":9,"duration_us":1,"p50_us":1,"p99_us":1,"status":9,"socket":0,"timeout":0}'
    with pytest.raises(ValueError, match="no request was answered: 9 failed"):
        parse_wrk(line, connections=1)


def test_our_own_clients_line_becomes_a_load() -> None:
    loop = Load(seconds=2.0, latencies_s=[0.001] * 10, refused=Counter({"429": 2}), failed=Counter(closed=1))
    load = parse_client(json.dumps(report(loop)), connections=4)
    assert (load.connections, load.requests_per_s, load.tool) == (4, 5.0, "benchmarks.load.client")
    assert (load.failed, load.p50_ms) == (3, 1.0)


def test_wrk_is_asked_for_whole_seconds_and_the_files() -> None:
    command = wrk_command(5000, "/mnist/classify", [Path("a.png"), Path("b.png")], connections=64, seconds=0.2)
    assert command[:3] == ["wrk", "-t", "1"]
    assert command[command.index("-c") + 1] == "64"
    assert command[command.index("-d") + 1] == "1s"
    assert command[-4:] == ["http://127.0.0.1:5000/mnist/classify", "--", "a.png", "b.png"]
