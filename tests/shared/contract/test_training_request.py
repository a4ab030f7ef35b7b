from typing import Any

import pytest

from shared.contract.training_request import Parameters, parse_parameters


def test_what_is_left_out_keeps_its_default() -> None:
    assert parse_parameters("cnn", {}) == Parameters()
    given = {"epochs": 3, "limit_images": None, "floor": 0.9, "promote": "if_passed", "augment": False}
    wanted = Parameters(epochs=3, floor=0.9, promote="if_passed", augment=False)
    assert parse_parameters("cnn", given) == wanted


def test_the_network_is_the_models_own_where_there_is_one_and_what_is_asked_for_comes_first() -> None:
    assert parse_parameters("cnn-small", {}).network == "cnn-small"
    assert parse_parameters("zip-codes", {}).network == "cnn"
    assert parse_parameters("cnn-small", {"network": "seed"}).network == "seed"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1], "expected a JSON object of parameters"),
        ({"epoch": 3}, "there is no parameter 'epoch'; there are network, epochs, "),
        ({"epochs": 0}, "epochs is 0, expected an integer, 1 to 500"),
        ({"epochs": 501}, "epochs is 501"),
        ({"epochs": True}, "epochs is True"),
        ({"epochs": None}, "epochs is None"),
        ({"epochs": 2.0}, "epochs is 2.0"),
        ({"batch_size": 4097}, "batch_size is 4097, expected an integer, 1 to 4096"),
        ({"seed": -1}, "seed is -1"),
        ({"limit_images": 9}, "limit_images is 9, expected an integer, 10 to 60000"),
        ({"network": "../../etc"}, "network is '../../etc', expected one of cnn, "),
        ({"network": ["cnn"]}, "network is "),
        ({"promote": True}, "promote is True, expected one of never, if_passed"),
        ({"floor": 0}, "floor is 0, expected a share"),
        ({"floor": 1.01}, "floor is 1.01"),
        ({"floor": True}, "floor is True"),
        ({"augment": 1}, "augment is 1, expected true or false"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_with_what_was_expected(given: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace(".", r"\.").replace("[", r"\[")):
        parse_parameters("cnn", given)
