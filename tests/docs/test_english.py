"""What people read here is in plain English: `python -m tools.english` prints what is not."""

from pathlib import Path

import pytest

from tools import english


def test_what_people_read_is_in_plain_english() -> None:
    found = [
        f"{file.relative_to(english.ROOT)}:{finding.line}: {finding.text}"
        for file in english.files([])
        for finding in english.findings(file)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.py", '"""Of a job."""', "docstring opens with 'Of'"),
        ("a.py", 'def f():\n    """What it says."""', "docstring opens with 'What'"),
        ("a.py", "LIMIT = 3  # of a job", "comment opens with 'of'"),
        ("a.py", 'print("the client is told")', "'told'"),
        ("a.py", "# One is\n# beside the other", "'beside'"),
        ("a.py", "def test_a_client_is_told_the_reason(): ...", "'told'"),
        ("a.lua", "local x = 1 -- begins anew", "'anew'"),
        ("a.js", "/* all but for one */", "'but for'"),
        ("a.js", 'say("try whatever you like")', "'whatever'"),
        ("a.html", "<p>100 images a second</p>", "'images a second'"),
        ("a.md", "One. Two.", "two sentences on a line"),
        ("a.md", "- One goes\n  over two lines.", "the sentence continues on the next line"),
        ("a.md", f"| {'long ' * 30} |", "table cell"),
    ],
)
def test_a_stumbling_block_is_found(name: str, text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    (finding,) = english.findings(tmp_path / name)
    assert problem in finding.text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", '"""Return the job, e.g. `told`."""'),
        ("a.py", "# Return nothing\n# of the job."),
        ("a.py", 'EVENTS = ("told", "beside")'),
        ("a.js", "const told = beside(anew);"),
        ("a.md", "One sentence, e.g. this.\nAnother one.\n\n```\ntold. Beside\n```\n\n- an item\n- another"),
    ],
)
def test_names_in_code_are_not_prose(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert english.findings(tmp_path / name) == []
