"""The JSON of a number that was read."""

from collections.abc import Sequence

from api.queue.answers.reading import MAX_GUESSES, Digit, Outputs, digits_of, most_likely
from api.queue.answers.replies import NumberAnswer, NumberDigit
from api.queue.answers.roster import Roster, shares_in
from shared.contract.job import NumberLine

MIN_SHARE = 1e-4  # less likely guesses are left out


def number_json(
    line: NumberLine, views: Sequence[Outputs], roster: Roster | None, rule: float, accept: float
) -> NumberAnswer:
    """Return the number in a picture, its digits, and the best guesses. Below the confidence `accept`, it is unsure.

    `views` are float64[T,12], the answers for the windows of each view of the line. `rule` is the version's threshold.
    With a roster, the number is one of its strings.
    """
    texts = most_likely(views)
    guesses = [(text, share) for text, share in texts if text.isdecimal()][:MAX_GUESSES] or [("", 0.0)]
    if roster:
        shares = shares_in(roster, views)
        order = [int(each) for each in (-shares).argsort(kind="stable")[:MAX_GUESSES]]
        guesses = [(roster.strings[each], float(shares[each])) for each in order]
    text, confidence = guesses[0]
    sure = confidence >= accept and bool(text)
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
