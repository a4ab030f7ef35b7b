"""Bad input of every class costs nobody else anything."""

import pytest

from shared.dataset import Split
from tests.hostile.drive import send_all
from tests.system import System

MOST_GROWTH_BYTES = 64 << 20  # of the API, over all of them sent once more


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_bad_input_is_a_server_error_nor_harms_a_neighbour(system: System, test_set: Split) -> None:
    send_all(system)
    before_bytes = system.api.resident_bytes
    tallies = send_all(system)
    assert [complaint for tally in tallies.values() for complaint in tally.complaints] == []
    assert sum(tally.tried for tally in tallies.values()) >= 150
    assert system.api.resident_bytes - before_bytes < MOST_GROWTH_BYTES
    assert all(process.status is None for process in (system.api, *system.workers.values()))
    assert "Traceback" not in system.api.output
    assert system.http.get("/mnist/classify/3").json()["prediction"] == test_set.labels[3]
