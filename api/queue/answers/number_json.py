"""The JSON of a number that was read."""

from api.queue.answers.reading import Digit, Labels, read_number, steps_of
from api.queue.answers.replies import NumberAnswer, NumberDigit
from api.queue.answers.roster import Roster, shares_in
from shared.contract.job import Lattice

MIN_CONFIDENCE = 0.8  # below, a number is unsure
MAX_GUESSES = 3
MIN_SHARE = 1e-4  # less likely guesses are left out
OTHER_WEIGHT = 0.02  # weight of everything that the lattice of a picture does not contain


def number_json(lattice: Lattice, labels: Labels, roster: Roster | None, accept: float) -> NumberAnswer:
    """Return the number in a picture, its digits, and the best guesses. Below the confidence `accept`, it is unsure.

    `labels` is float64[N,10], the probability of each digit for each candidate of the lattice. With a roster, the
    number is one of its strings.
    """
    reading = read_number(lattice, labels, OTHER_WEIGHT)
    guesses, digits = [(reading.text, reading.confidence), *reading.others], reading.digits
    if roster:
        shares = shares_in(roster, lattice, labels, OTHER_WEIGHT)
        order = [int(each) for each in (-shares).argsort(kind="stable")[:MAX_GUESSES]]
        guesses = [(roster.strings[each], float(shares[each])) for each in order]
        digits = steps_of(guesses[0][0], lattice, labels)
    text, confidence = guesses[0]
    sure = confidence >= accept and bool(text)
    return {
        "text": text if sure else None,
        "confidence": round(confidence, 4),
        "confident": confidence >= MIN_CONFIDENCE,
        "state": "done" if sure else "unsure",
        "digits": [_digit_json(digit) for digit in digits],
        "guesses": [
            {"text": guess, "confidence": round(share, 4)} for guess, share in guesses if guess and share >= MIN_SHARE
        ],
    }


def _digit_json(digit: Digit) -> NumberDigit:
    return {
        "digit": digit.label,
        "box": digit.candidate.box,
        "confidence": round(digit.confidence, 4),
        "alternatives": [{"digit": label, "confidence": round(share, 4)} for label, share in digit.alternatives],
    }
