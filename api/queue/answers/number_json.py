"""The JSON of a number that was read."""

from collections.abc import Sequence

from api.queue.answers.replies import NumberAnswer, NumberDigit
from shared.contract.job import NumberLine
from shared.numbers.guesses import best_guesses, is_sure
from shared.numbers.reading import Digit, Outputs, digits_of
from shared.numbers.roster import Roster

MIN_SHARE = 1e-4  # less likely guesses are left out


def number_json(
    line: NumberLine, views: Sequence[Outputs], roster: Roster | None, rule: float, accept: float
) -> NumberAnswer:
    """Return the number in a picture, its digits, and the best guesses. Below the confidence `accept`, it is unsure.

    `views` are float64[T,12], the answers for the windows of each view of the line. `rule` is the version's threshold.
    With a roster, the number is one of its strings.
    """
    guesses = best_guesses(views, roster)
    text, confidence = guesses[0]
    sure = is_sure(guesses[0], accept)
    return {
        "text": text if sure else None,
        "confidence": round(confidence, 4),
        "confident": confidence >= (accept or rule),
        "state": "done" if sure else "unsure",
        "digits": [_digit_json(digit) for digit in digits_of(text, line, views[0])],
        "guesses": [
            {"text": guess, "confidence": round(share, 4)} for guess, share in guesses if guess and share >= MIN_SHARE
        ],
    }


def _digit_json(digit: Digit) -> NumberDigit:
    return {
        "digit": digit.label,
        "box": digit.box,
        "confidence": round(digit.confidence, 4),
        "alternatives": [{"digit": label, "confidence": round(share, 4)} for label, share in digit.alternatives],
    }
