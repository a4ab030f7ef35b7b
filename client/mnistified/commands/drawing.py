"""Drawings of digits in the terminal. A character shows two pixels, one above the other."""

UPPER_HALF = "▀"
BY_INK = (" ", "▄", "▀", "█")  # neither, lower, upper, both
INK = 96  # minimum grey level of ink without colours
GREYS = 24  # number of grey levels among a terminal's 256 colours
FIRST_GREY = 232


def draw(pixels: bytes, width: int, height: int, colour: bool) -> str:
    """Draw `pixels`, given row by row from 0 (black) to 255 (white). Without `colour`, ink is a block."""
    black = bytes(width)
    rows = [pixels[row * width : (row + 1) * width] for row in range(height)] + [black] * (height % 2)
    line = _grey_line if colour else _plain_line
    return "\n".join(line(rows[row], rows[row + 1]) for row in range(0, len(rows), 2))


def _grey_line(upper: bytes, lower: bytes) -> str:
    cells = (
        f"\x1b[38;5;{_grey(top)};48;5;{_grey(bottom)}m{UPPER_HALF}" for top, bottom in zip(upper, lower, strict=True)
    )
    return "".join(cells) + "\x1b[0m"


def _grey(level: int) -> int:
    return FIRST_GREY + level * GREYS // 256


def _plain_line(upper: bytes, lower: bytes) -> str:
    cells = (BY_INK[2 * (top >= INK) + (bottom >= INK)] for top, bottom in zip(upper, lower, strict=True))
    return "".join(cells).rstrip()
