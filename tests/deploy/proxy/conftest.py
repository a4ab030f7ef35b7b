import os
import shutil

import pytest


@pytest.fixture(scope="session", autouse=True)
def _nginx() -> None:
    """Skip these tests if there is no nginx, before any of them starts a process that nginx would serve."""
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("no nginx on this machine")
