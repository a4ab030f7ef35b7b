import os
import socket
import sys

import pytest

from deploy.processes import describe_process, port_holder, port_in_use


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says which process holds a port")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_port_in_use_names_the_process_that_holds_it(host: str) -> None:
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert (port_holder(port) or "").startswith(f"process {os.getpid()} (")
        assert f"Address already in use, by process {os.getpid()} (" in (port_in_use("127.0.0.1", port) or "")
    assert port_in_use("127.0.0.1", port) is None


def test_an_address_of_another_machine_is_not_explained_by_a_process() -> None:
    assert port_in_use("192.0.2.1", 5000) == "Cannot assign requested address"


@pytest.mark.parametrize("pid", ["", "x", "-1"])
def test_what_is_no_process_id_is_another_process(pid: str) -> None:
    assert describe_process(pid) == "another process"


def test_a_process_that_has_ended_has_no_command() -> None:
    assert describe_process("99999999") == "process 99999999"
