"""Find words and sentence shapes that readers stumble over: `python -m tools.english [PATH ...]`.

The command prints each finding with its line, then the number of findings in each folder.
In Python it reads docstrings, comments, messages and the names of tests, in Lua comments, and otherwise the whole text.
In Markdown it also expects one sentence per line and short table cells.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MAX_CELL = 120  # characters of a table cell, links and code marks not counted
# Pattern -> replacement.
WORDS = {
    r"told": "reports, says, returns, is notified",
    r"tells(?! (\S+ ){1,3}to\b)(?! \w+ apart)": "reports, says, returns",
    r"beside": "next to, in addition to, alongside",
    r"anew": "again",
    r"but for": "except",
    r"parted": "separated",
    r"shall": "should, must",
    r"where (there (is|are|was|were)|none|nobody|nothing)": "if there is, if there is none",
    r"as (many|much|long) as may": "the maximum",
    r"who(ever|m|mever)": "the client, the worker",
    r"whatever": "the value, any",
    r"(goes|go|went|gone) on": "continues",
    r"(comes|come|came|coming) to(?! mind)": "reaches",
    r"(gives|give|gave|(?<!upload )given|giving) up": "closes, drops, times out",
    r"(held|hold|holds|holding) back": "delayed",
    r"(set|sets|setting) aside": "moved to the dead-letter stream",
    r"(look|looks|looked|looking) after|(looks|looked) at": "own, check, poll",
    r"wish(es|ed)?": "desired versions",
    r"(?<![-.])doors?(?![-:@])": "compat, compatibility API, Celery API",
    r"(a|the|each|every|last|next|first|no|one|per) beats?|that beat": "heartbeat",
    r"hot routes?": "fast path",
    r"(times|images|requests|jobs|batches|entries|events|answers|messages|commands|ms|[KMG]i?B) an? "
    r"(second|minute|hour|day|batch|image|request|process|worker)": "per second, per batch, per image",
}
# One \b for all words: only the beginnings of words are compared with them.
FORBIDDEN = re.compile(rf"\b(?:{'|'.join(f'(?P<w{n}>{word})' for n, word in enumerate(WORDS))})\b", re.IGNORECASE)
UPSIDE_DOWN = "[Oo]f|As|[Ww]hat|[Ww]hatever|[Ww]hose|[Ww]hich|[Ww]ho|[Tt]hose|[Tt]hat of|[Nn]or|[Ii]n no"
DOCSTRING_OPENING = re.compile(
    rf"({UPSIDE_DOWN}|In|With|Without|Where|Whether|How|By|From|For|At|On|To|Under|Until|None|Neither|But)\b"
)
COMMENT_OPENING = re.compile(rf"({UPSIDE_DOWN})\b")
CODE = re.compile(r"``[^`]+``|`[^`]*`")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
NEXT_SENTENCE = re.compile(r"""(?<!e\.g)(?<!i\.e)(?<!etc)(?<!\bvs)[\w)\]"'*%][.?!]["')*]* +(?=[A-Z"(*0-9])""")
SENTENCE_END = re.compile(r"""[.?!:]["')*\]]*$""")
LIST_ITEM = re.compile(r" *([-*]|\d+\.) ")
NOT_PROSE = re.compile(r" *(#|\||<|>|!\[|$)")
# The module tokenize would take ten times as long.
STRING_OR_PYTHON_COMMENT = re.compile(
    r"""(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*)""",
    re.DOTALL,
)
C_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\w])//[^\n]*", re.DOTALL)
LUA_COMMENT = re.compile(r"--[^\n]*")
QUOTED = re.compile(r"\"[^\"\n]* [^\"\n]*\"|'[^'\n]* [^'\n]*'|`[^`]* [^`]*`")
WHOLE_TEXT = {".html", ".css", ".yml", ".yaml", ".json", ".toml", ".txt", ".sh", ".template", ""}
EXEMPT = ("LICENSE", "client/LICENSE", "models/", "tools/english.py", "tests/docs/test_english.py")


class Finding(NamedTuple):
    line: int
    text: str


def files(paths: list[str]) -> list[Path]:
    """Return the files of the repository that people read, all of them or those below `paths`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    kinds = WHOLE_TEXT | {".py", ".lua", ".js", ".md"}
    return [
        ROOT / name
        for name in sorted(set(listed))
        if Path(name).suffix in kinds and not name.startswith(EXEMPT) and (ROOT / name).is_file()
    ]


def findings(file: Path) -> list[Finding]:
    """Return everything in `file` that its author should rephrase, in the order of its lines."""
    text = file.read_text()
    if file.suffix == ".py":
        # The strings of a test are mostly data.
        return sorted({*comments(text), *strings(text, messages=ROOT / "tests" not in file.parents)})
    if file.suffix == ".md":
        return sorted({*markdown(text)})
    if file.suffix in {".js", ".lua"}:
        patterns = (C_COMMENT, QUOTED) if file.suffix == ".js" else (LUA_COMMENT,)
        parts = [match for pattern in patterns for match in pattern.finditer(text)]
        return sorted({each for part in parts for each in words(part[0], line_of(text, part.start()))})
    return sorted({*words(text, 1)})


def words(text: str, first_line: int) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), first_line):
        for match in FORBIDDEN.finditer(CODE.sub("``", line)):
            better = list(WORDS.values())[int((match.lastgroup or "w0")[1:])]
            yield Finding(number, f"{match[0]!r}: write {better!r}")


def comments(source: str) -> Iterator[Finding]:
    previous = -1
    for match in STRING_OR_PYTHON_COMMENT.finditer(source):
        if not match[0].startswith("#"):
            continue
        line = line_of(source, match.start())
        before = source[source.rfind("\n", 0, match.start()) + 1 : match.start()]
        continues = previous == line - 1 and not before.strip()
        previous = line
        text = match[0].lstrip("#! ")
        yield from words(text, line)
        if not continues and COMMENT_OPENING.match(text):
            yield Finding(line, f"comment opens with {text.split()[0]!r}")


def strings(source: str, messages: bool) -> Iterator[Finding]:
    nodes = list(ast.walk(ast.parse(source)))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value): node
        for node in nodes
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) and isinstance(node.body[0], ast.Expr)
    }
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from words(node.name.replace("_", " "), node.lineno)  # the sentence that the test proves
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) in docstrings:
            yield from words(node.value, node.lineno)
            if DOCSTRING_OPENING.match(node.value):
                yield Finding(node.lineno, f"docstring opens with {node.value.split()[0]!r}")
        elif messages and " " in node.value:
            yield from words(node.value, node.lineno)


def markdown(text: str) -> Iterator[Finding]:
    """Yield findings in the prose of a page: outside its blocks of code, one line after another."""
    fenced = False
    lines = [""]
    for line in text.splitlines():
        mark = line.lstrip().startswith("```")
        lines.append("" if fenced or mark else LINK.sub(r"\1", CODE.sub("X", line)))
        fenced ^= mark
    for number, line in enumerate(lines):
        yield from words(line, number)
        if line.startswith("|"):
            if max(len(cell.strip()) for cell in line.strip("|").split("|")) > MAX_CELL:
                yield Finding(number, f"table cell of more than {MAX_CELL} characters")
        elif not NOT_PROSE.match(line):
            following = lines[number + 1] if number + 1 < len(lines) else ""
            continued = not NOT_PROSE.match(following) and not LIST_ITEM.match(following)
            if NEXT_SENTENCE.search(LIST_ITEM.sub("", line)):
                yield Finding(number, "two sentences on a line")
            if continued and not SENTENCE_END.search(line):
                yield Finding(number, "the sentence continues on the next line")


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def main(paths: list[str]) -> int:
    folders: Counter[str] = Counter()
    for file in files(paths):
        name = file.relative_to(ROOT)
        for line, text in findings(file):
            print(f"{name}:{line}: {text}")
            folders[str(name.parent)] += 1
    for folder, count in sorted(folders.items()):
        print(f"{count:5} {folder}")
    print(f"{folders.total():5} in all")
    return bool(folders)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
