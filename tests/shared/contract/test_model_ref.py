import pytest

from shared.contract.model_ref import ModelRef


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("cnn", ModelRef("cnn")),
        ("cnn@3", ModelRef("cnn", 3)),
        ("cnn@champion", ModelRef("cnn", "champion")),
        ("cnn@03", ModelRef("cnn", "03")),
        ("cnn@0", ModelRef("cnn", "0")),
        ("cnn@1@2", ModelRef("cnn", "1@2")),
        ("", ModelRef("")),
    ],
)
def test_a_reference_is_read_as_it_is_written(text: str, ref: ModelRef) -> None:
    assert ModelRef.parse(text) == ref
    assert str(ref) == text


def test_an_empty_label_is_a_bare_name() -> None:
    assert ModelRef.parse("cnn@") == ModelRef("cnn")


def test_only_a_number_is_a_version() -> None:
    assert ModelRef("cnn", 3).version == 3
    assert ModelRef("cnn", 3).is_version
    for label in ("", "champion", "0"):
        assert not ModelRef("cnn", label).is_version
        with pytest.raises(ValueError, match="expected name@number"):
            ModelRef("cnn", label).version  # noqa: B018
