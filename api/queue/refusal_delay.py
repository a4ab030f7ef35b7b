"""How long a request that finds no room is held back before it is told so.

Clients that ask again at once would else take the time of those who were accepted.
"""

# About as long as the least `Retry-After`, and spread: those who were refused together would come back together, and
# the loop would be busy with nothing but them for as long as they all take.
HELD_BACK_S = (0.5, 1.5)
MOST_LONGER = 3.0  # times as long at most: there are HTTP clients that give up after 5 s, if not told otherwise


def hold_back_s(held: float, chance: float) -> float:
    """How long a refusal is held back: `held` are those that are, for each request that may wait; `chance` is 0 to 1.

    In proportion, so that as many are refused in a second as may wait, however many ask.
    """
    least_s, most_s = HELD_BACK_S
    return (least_s + (most_s - least_s) * chance) * min(MOST_LONGER, max(1.0, held))
