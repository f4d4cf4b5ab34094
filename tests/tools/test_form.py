"""tools/form.py: each rule finds what it is there for, in a lab that has nothing else wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import form
import nbformat
import pytest

TOP = """# Train a classifier

**What you'll do.** Train.

**What you'll learn.** Much.

**What you'll need.**
- **Before:** nothing.
- **Here:** about 2 minutes.
- **On AWS:** about 10 minutes and $0.25.
"""
TERMS = " ".join(f"[{term}](../labs/GLOSSARY.md#{term})" for term in ("arn", "s3", "tag", "sdk", "mnist"))
SHOWN = "A notebook talks to SageMaker, which starts a job"
DIAGRAM = f"![{SHOWN}](../labs/09-new/diagram.svg)"
TEXT = f"""{DIAGRAM} {TERMS}

{form.TRAP}Do not fall.

</div>

{"word " * form.WORDS}

It calls [it](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html)."""
CODE = 'lab.client("sagemaker").stop_training_job(TrainingJobName="one")'
END = f"""## What you learned

## Exercises

### Exercise 1. Think

{form.SOLUTION}

Thought.

</details>

## Next"""


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    """A project with one lab's folder, its diagram and a glossary."""
    folder = tmp_path / "labs" / "09-new"
    folder.mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (folder / "diagram.svg").write_text("<svg/>")
    headings = "\n".join(f"### {term.upper()}" for term in ("arn", "s3", "tag", "sdk", "mnist"))
    (tmp_path / "labs" / "GLOSSARY.md").write_text(headings)
    return folder


def cells(*outputs: Any, code: str = CODE, top: str = TOP, text: str = TEXT, end: str = END) -> list[Any]:
    """A lab's cells, all in order where nothing is replaced."""
    written = [nbformat.v4.new_markdown_cell(each) for each in (top, text)]
    return [
        *written,
        nbformat.v4.new_code_cell(code, outputs=list(outputs)),
        nbformat.v4.new_markdown_cell(end),
    ]


def printed(text: str) -> Any:
    return nbformat.v4.new_output("stream", text=text)


def picture(kind: str, content: str) -> Any:
    return nbformat.v4.new_output("display_data", data={kind: content})


def test_a_lab_in_the_form_has_no_fault(labs: Path) -> None:
    priced = f"{TEXT} It costs \\$1, not \\$2.\n\nHalf is $1: `$A$`."
    given = cells(printed("all is True to it"), picture("text/html", SEEN), text=priced)
    assert form.find_faults(form.Lab(labs, given)) == []


SEEN = '<img alt="a digit" src="data:image/png;base64,AAAA">'
Change = Callable[[], list[Any]]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda: cells(top=TOP.replace("Train a", "The")), "does not begin with a verb"),
        (lambda: cells(top=TOP.replace("**What you'll learn.**", "")), "What you'll learn"),
        (lambda: cells(top=TOP.replace("minutes and $0.25", "minutes")), "minutes and dollars on AWS"),
        (lambda: cells(top=TOP.replace("- **Before:**", "")), "the labs to do first"),
        (lambda: cells(text=TEXT.replace(DIAGRAM, "")), "does not show its diagram"),
        (lambda: cells() + cells()[1:2] * form.CELLS, "44 cells"),
        (lambda: cells(code="a = 1\n" * 21), "over 20 lines: a = 1"),
        (lambda: cells(text=TEXT.replace("word " * 900, "")), "words before its exercises"),
        (lambda: cells(text=f"{TEXT}\n\n## Now"), "no sentence stands before"),
        (lambda: [*cells()[:3], *cells()[2:]], "no sentence stands before"),
        (lambda: cells(code="name = trainer._latest"), "private attribute is used, _latest"),
        (lambda: cells(code="sys.path.insert(0, place)"), "sys.path is changed"),
        (lambda: cells(printed("as good as before: True\n")), "an output says True"),
        (lambda: cells(picture("image/png", "AAAA")), "a picture has no alternative text"),
        (lambda: cells(picture("text/html", '<img src="a">')), "an <img> has no alt"),
        (
            lambda: cells(text=TEXT.replace(SHOWN, "")),
            "no alternative",
        ),
        (lambda: cells(text=f"{TEXT} It costs $1, not $2."), "are read as a formula"),
        (lambda: cells(text=f"{TEXT} It costs $1, not \\$2."), "are read as a formula"),
        (lambda: cells(text=TEXT.replace(form.TRAP, "")), "warns of no trap"),
        (lambda: cells(text=f'{TEXT} <div class="alert alert-warning">Look'), "a box does not begin"),
        (lambda: cells(end=END.replace("## Next", "")), "Exercises and Next"),
        (lambda: cells(end=END.replace("</details>", "")), "1 exercises and 1 folded"),
        (lambda: cells(code='lab.client("s3").put_object(Key="a")'), "PutObject is called"),
        (lambda: cells(code="lab.model(archive)"), "CreateModel is called"),
        (lambda: cells(text=f"{TEXT} [a](../labs/none.md) end"), "none.md leads nowhere"),
        (lambda: cells(text=TEXT.replace("#arn", "#none")), "there is no such heading"),
        (lambda: cells(text=TEXT.replace("#arn", "#s3")), "links 4 terms"),
    ],
)
def test_what_is_not_in_the_form_is_found(labs: Path, change: Change, fault: str) -> None:
    found = form.find_faults(form.Lab(labs, change()))
    assert any(fault in each for each in found), found


def test_anchors_are_those_that_github_makes() -> None:
    assert form.anchors("# Blue/green deployment\n\n### McNemar's test") == {
        "bluegreen-deployment",
        "mcnemars-test",
    }


def test_links_of_walkthroughs_and_glossary_lead_somewhere() -> None:
    root = Path(form.__file__).parent.parent
    for page in (root / "labs").glob("**/*.md"):
        assert list(form.broken(form.LINK.findall(page.read_text()), page)) == [], page
