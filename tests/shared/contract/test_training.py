import re
from typing import Any

import msgspec
import pytest

from shared.contract.training import Parameters, parse_parameters


def test_what_is_left_out_keeps_its_default() -> None:
    assert parse_parameters("cnn", b"{}") == Parameters()
    given = {"epochs": 3, "limit_images": None, "floor": 0.9, "promote": "if_passed", "augment": False}
    wanted = Parameters(epochs=3, floor=0.9, promote="if_passed", augment=False)
    assert parse_parameters("cnn", msgspec.json.encode(given)) == wanted


def test_the_network_is_the_requested_one_or_else_the_models_own() -> None:
    assert parse_parameters("cnn-small", b"{}").network == "cnn-small"
    assert parse_parameters("zip-codes", b"{}").network == "cnn"
    assert parse_parameters("cnn-small", b'{"network": "seed"}').network == "seed"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([1], "Expected `object`, got `array`"),
        ({"epoch": 3}, "unknown field `epoch`"),
        ({"epochs": 0}, "Expected `int` >= 1 - at `$.epochs`"),
        ({"epochs": 501}, "Expected `int` <= 500 - at `$.epochs`"),
        ({"epochs": True}, "got `bool` - at `$.epochs`"),
        ({"epochs": None}, "got `null` - at `$.epochs`"),
        ({"epochs": 2.0}, "got `float` - at `$.epochs`"),
        ({"batch_size": 4097}, "Expected `int` <= 4096 - at `$.batch_size`"),
        ({"seed": -1}, "Expected `int` >= 0 - at `$.seed`"),
        ({"limit_images": 9}, "Expected `int` >= 10 - at `$.limit_images`"),
        ({"network": "../../etc"}, "Invalid enum value '../../etc' - at `$.network`"),
        ({"network": ["cnn"]}, "got `array` - at `$.network`"),
        ({"promote": True}, "got `bool` - at `$.promote`"),
        ({"floor": 0}, "Expected `float` > 0.0 - at `$.floor`"),
        ({"floor": 1.01}, "Expected `float` <= 1.0 - at `$.floor`"),
        ({"floor": True}, "got `bool` - at `$.floor`"),
        ({"augment": 1}, "got `int` - at `$.augment`"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_with_what_was_expected(given: Any, fault: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(fault)):
        parse_parameters("cnn", msgspec.json.encode(given))
