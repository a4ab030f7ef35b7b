"""Single digits as people write and print them, which a model should read, or at least not read wrongly."""

from random import Random

from PIL import Image, ImageDraw

from tools.fit_accuracy.papers import Grey, image_file, placed
from tools.fit_accuracy.rendered import GLYPH_PX, draw_digit, parse_strokes

SIZE_PX = (480, 640)
# Ways of writing that are rare in MNIST, in the notation of `rendered.WRITTEN`.
WAYS = {
    "crossed 7": (7, "8,6 50,4 92,5 70,40 48,98 / 28,50 80,46"),
    "European 1": (1, "20,34 40,18 56,0 / 56,0 55,50 54,100"),
    "open 4": (4, "22,2 16,30 14,56 / 14,56 50,56 88,54 / 80,4 78,50 74,100"),
    "slashed 0": (0, "52,0 15,12 5,50 18,92 50,100 85,85 95,50 82,10 52,0 / 90,4 50,50 10,96"),
}
PENS_PX = {"thin pen, lined": (0.008, 0.016), "pen of 4 to 7 px": (0.02, 0.035), "felt pen": (0.12, 0.18)}
SEGMENTS = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
BARS = {
    "a": (20, 0, 180, 28), "b": (172, 20, 200, 180), "c": (172, 200, 200, 360), "d": (20, 352, 180, 380),
    "e": (0, 200, 28, 360), "f": (0, 20, 28, 180), "g": (20, 176, 180, 204),
}  # fmt: skip
KINDS = (
    *("felt pen", "pen of 4 to 7 px", "thin pen, lined", "squared paper", "chalk", "shadow", "slanted"),
    *(*WAYS, "form's box", "underline", "dot", "seven-segment", "set in type"),
)


def picture(kind: str, random: Random) -> tuple[bytes, int]:
    """Return an image file of a digit, and the digit."""
    digit = WAYS[kind][0] if kind in WAYS else random.randrange(10)
    ink = placed(_glyph(kind, digit, random), *SIZE_PX, random)
    _decorate(kind, ink, random)
    return image_file(
        ink, {"chalk": "board", "shadow": "photo"}.get(kind, "scan" if kind in PENS_PX else "photo"), random
    ), digit


def _glyph(kind: str, digit: int, random: Random) -> Image.Image:
    if kind == "seven-segment":
        return _segments(digit, random)
    if kind == "set in type":
        return draw_digit(digit, "set in type", random)
    if kind in WAYS:
        return _way(WAYS[kind][1], random)
    pen = random.uniform(*PENS_PX[kind]) if kind in PENS_PX else None
    glyph = draw_digit(digit, "written", random, pen)
    return glyph.rotate(-random.uniform(8, 20), Image.Resampling.BICUBIC) if kind == "slanted" else glyph


def _way(text: str, random: Random) -> Image.Image:
    canvas = Image.new("L", (2 * GLYPH_PX, 2 * GLYPH_PX))
    width = random.randint(14, 44)
    for stroke in parse_strokes(text):
        points = [
            (GLYPH_PX * (0.6 + 0.7 * x) + random.gauss(0, 5), GLYPH_PX * (0.5 + y) + random.gauss(0, 5))
            for x, y in stroke
        ]
        if len(points) > 5:
            points[-1] = points[0] if stroke[0] == stroke[-1] else points[-1]
        ImageDraw.Draw(canvas).line(points, fill=255, width=width, joint="curve")
    return canvas


def _segments(digit: int, random: Random) -> Image.Image:
    canvas = Image.new("L", (320, 480))
    inset = random.randint(0, 6)
    for name in SEGMENTS[digit]:
        left, top, right, bottom = BARS[name]
        ImageDraw.Draw(canvas).rectangle(
            (60 + left + inset, 50 + top + inset, 60 + right - inset, 50 + bottom - inset), fill=255
        )
    slant = random.uniform(0, 0.15)
    return canvas.transform(
        canvas.size, Image.Transform.AFFINE, (1, slant, -slant * 240, 0, 1, 0), Image.Resampling.BILINEAR
    )


def _decorate(kind: str, ink: Grey, random: Random) -> None:
    """Draw the paper's lines, a form's box, an underline, or a dot next to the digit."""
    height, width = ink.shape
    rows, columns = ink.max(1) > 0.5, ink.max(0) > 0.5
    top, bottom = int(rows.argmax()), height - int(rows[::-1].argmax())
    left, right = int(columns.argmax()), width - int(columns[::-1].argmax())
    faint = random.uniform(0.3, 0.6)
    if kind in ("thin pen, lined", "squared paper"):
        step = random.randint(34, 60)
        for offset in range(2):
            ink[offset::step] = ink[offset::step].clip(faint)
            if kind == "squared paper":
                ink[:, offset::step] = ink[:, offset::step].clip(faint)
    elif kind == "underline":
        row = min(bottom + random.randint(8, 25), height - 5)
        ink[row : row + 5, max(left - 20, 0) : right + 20] = 0.9
    elif kind == "dot":
        ink[bottom - 10 : bottom, min(right + 15, width - 12) : min(right + 25, width - 2)] = 0.9
    elif kind == "form's box":
        gap = random.randint(12, 40)
        above, below, before, after = (
            max(top - gap, 0),
            min(bottom + gap, height - 4),
            max(left - gap, 0),
            min(right + gap, width - 4),
        )
        ink[above : above + 4, before:after] = ink[below : below + 4, before:after] = 0.8
        ink[above:below, before : before + 4] = ink[above : below + 4, after : after + 4] = 0.8
