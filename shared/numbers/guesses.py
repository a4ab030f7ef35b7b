"""The best guesses for a number, and whether the best one is sure: workers and the API use the same rule."""

from collections.abc import Collection, Sequence

from shared.answers import Scores
from shared.contract.entry import THRESHOLD_OF_CARD
from shared.contract.job import Job, NumberLine
from shared.images import Probabilities
from shared.numbers.reading import MAX_GUESSES, Outputs, most_likely, window_outputs
from shared.numbers.roster import Roster, roster_of, shares_in

Guess = tuple[str, float]  # a text and its probability


def best_guesses(views: Sequence[Outputs], roster: Roster | None) -> list[Guess]:
    """Return up to MAX_GUESSES guesses, the best first. If no text is likely, the only one is empty.

    `views` are float64[T,12], the answers for the windows of each view. With a roster, guesses are of its strings.
    """
    if roster is None:
        return [(text, share) for text, share in most_likely(views) if text.isdecimal()][:MAX_GUESSES] or [("", 0.0)]
    shares = shares_in(roster, views)
    order = [int(each) for each in (-shares).argsort(kind="stable")[:MAX_GUESSES]]
    return [(roster.strings[each], float(shares[each])) for each in order]


def threshold_of(accept: float | None, rule: float) -> float:
    """Return the confidence from which a number is accepted: that of the request, or else the version's `rule`."""
    return rule if accept is None or accept == THRESHOLD_OF_CARD else accept


def is_sure(guess: Guess, threshold: float) -> bool:
    """Return whether the best guess is accepted. Without a text it never is."""
    text, confidence = guess
    return confidence >= threshold and bool(text)


def unsure_numbers(
    job: Job,
    lines: Sequence[NumberLine],
    probabilities: Probabilities,
    scores: Scores,
    rule: float,
    faulty: Collection[int],
) -> list[int]:
    """Return the positions in `lines` of the unsure numbers of a chunk, without those with a faulty window.

    `probabilities` are float32[W,11] and `scores` float32[W], for the windows of all lines. `rule` is the threshold of
    the version. Takes up to about 0.2 ms per window.
    """
    roster, threshold = roster_of(job.among.split(",")) if job.among else None, threshold_of(job.accept, rule)
    unsure, first = [], 0
    for position, line in enumerate(lines):
        rows = slice(first, first + line.windows)
        first = rows.stop
        if any(rows.start <= row < rows.stop for row in faulty):
            continue
        views = window_outputs(line, probabilities[rows], scores[rows])
        if not is_sure(best_guesses(views, roster)[0], threshold):
            unsure.append(position)
    return unsure
