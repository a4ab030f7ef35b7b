"""Numbers of several digits, with the client and on the command line."""

import csv
import json
from pathlib import Path

import pytest

from mnistified import Client
from mnistified.__main__ import main
from mnistified.commands.parser import parse
from mnistified.options import query_of
from tests.api.routes.fit.test_numbers import page
from tests.support.system import System
from tests.support.uploads import image_file


@pytest.fixture
def numbers(tmp_path: Path) -> list[Path]:
    files = []
    for text in ("47", "505"):
        files.append(tmp_path / f"{text}.png")
        files[-1].write_bytes(image_file(page(text)))
    (tmp_path / "roster.txt").write_text("47\n505, 9912\n")
    return files


def test_a_number_has_a_text_and_digits_with_boxes(system: System, numbers: list[Path]) -> None:
    with Client(system.url) as client:
        result = client.classify(numbers[0], fit="number", among=["47", "505"])
    assert (result.text, result.prediction, result.state, result.probabilities) == ("47", None, "done", ())
    assert result.confidence is not None
    assert result.confidence > 0.5
    assert [digit.digit for digit in result.digits] == [4, 7]
    assert all(len(digit.box) == 4 for digit in result.digits)
    assert result.guesses[0].text == "47"


def test_the_command_prints_numbers(system: System, numbers: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    roster = numbers[0].parent / "roster.txt"
    common = ["--url", system.url, "--fit", "number", "--among", str(roster)]
    assert main(["classify", *common, *map(str, numbers)]) == 0
    assert [line.split(": ")[1].split(" ")[0] for line in capsys.readouterr().out.splitlines()] == ["47", "505"]


def test_a_csv_has_the_number_as_prediction_and_ndjson_all_of_it(system: System, numbers: list[Path]) -> None:
    folder = numbers[0].parent
    common = ["--url", system.url, "--quiet", "--fit", "number", "--among", str(folder / "roster.txt")]
    assert main(["bulk", *common, "--out", str(folder / "out.csv"), *map(str, numbers)]) == 0
    rows_of_csv = csv.DictReader((folder / "out.csv").read_text().splitlines())
    assert [row["prediction"] for row in rows_of_csv] == ["47", "505"]
    assert main(["bulk", *common, "--out", str(folder / "out.ndjson"), *map(str, numbers)]) == 0
    rows = [json.loads(line) for line in (folder / "out.ndjson").read_text().splitlines()]
    assert [(row["text"], len(row["digits"])) for row in rows] == [("47", 2), ("505", 3)]


def test_fit_without_a_value_is_a_digit_as_before() -> None:
    assert parse(["classify", "--fit", "photo.jpg"]).fit == "digit"
    assert parse(["classify", "--fit", "photo.jpg"]).images == ["photo.jpg"]
    assert parse(["classify", "photo.jpg", "--fit"]).fit == "digit"
    assert parse(["classify", "photo.jpg"]).fit is None
    assert query_of(fit=True) == {"fit": "digit"}
    assert query_of(fit="number", among=("1", "23")) == {"fit": "number", "among": "1,23"}
    with pytest.raises(TypeError, match="among is the string '12'"):
        query_of(fit="number", among="12")


def test_a_roster_without_numbers_is_an_error(numbers: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    roster = str(numbers[0].parent / "roster.txt")
    assert main(["classify", "--fit", "--among", roster, str(numbers[0])]) == 2
    assert "--among needs --fit number" in capsys.readouterr().err
