"""The fuzz targets over valid files that were damaged, without Atheris; and, slow, under it for a few seconds."""

import subprocess
import sys

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.support.processes import ROOT
from tests.support.thoroughness import examples
from tools.fuzz.targets import SEEDS, TARGETS, upload

pytestmark = pytest.mark.filterwarnings("ignore:::PIL", "ignore:::numpy")

bounded = settings(max_examples=examples(100), deadline=None, database=None, derandomize=True)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes changed, put in and left out; a part doubled; the end cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        data[at : at + length] = draw(st.binary(max_size=8))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(data)))
        data[start:start] = data[start : start + draw(st.integers(0, 2000))]
    return bytes(data[: len(data) - draw(st.integers(0, 50))])


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_damaged_input_raises_nothing_but_what_is_documented(name: str) -> None:
    @bounded
    @given(st.sampled_from(SEEDS[name]).flatmap(damaged))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_any_bytes_raise_nothing_but_what_is_documented(name: str) -> None:
    @bounded
    @given(st.binary(max_size=600))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


@bounded
@seed(1)
@given(
    data=st.sampled_from([data for name in sorted(SEEDS) for data in SEEDS[name]]),
    content_type=st.text(st.characters(max_codepoint=255), max_size=60)
    | st.text(st.characters(max_codepoint=255), max_size=40).map("multipart/form-data; boundary={}".format),
)
def test_any_content_type_is_taken_or_refused(data: bytes, content_type: str) -> None:
    upload(data, content_type)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_fuzzing_finds_nothing_in_a_few_seconds() -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tools.fuzz", "--seconds", "2", "--target", "entry"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout
    assert told.stdout.endswith("\n0 findings\n")
