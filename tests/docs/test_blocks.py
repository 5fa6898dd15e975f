"""Every fenced block of README.md and docs/ is run; CONTRIBUTING.md, "A block in a page", says how."""

import pytest

from docs.blocks import Block, blocks_of, pages, setup_of
from docs.printed import is_as_shown
from docs.story import Story
from e2e.processes import Scene

# What cannot be run, with its reason in the page. Who adds one looks for a way to run it first.
MOST_NOT_RUN = 22


@pytest.mark.timeout(300)  # on a machine that compiles beside
@pytest.mark.parametrize("page", [page for page in pages() if blocks_of(page)])
def test_the_blocks_of_a_page_do_what_it_says(page: str, scene: Scene) -> None:
    story = Story(scene)
    blocks = blocks_of(page)
    story.begin(setup_of(page), blocks)
    wrong = []
    for block in blocks:
        if found := story.run(block):
            wrong.append(f"{block.name}: {found}")
    logs = [f"== {program.name}\n{program.log()[-1500:]}" for program in scene.programs]
    assert not wrong, "\n\n".join(wrong + logs)


def test_few_blocks_are_not_run() -> None:
    blocks = [block for page in pages() for block in blocks_of(page)]
    left = [block for block in blocks if block.reason_not_to_run is not None]
    for block in left:
        print(f"{block.name}: not run: {block.reason_not_to_run}")
    print(f"{len(blocks)} blocks, {len(left)} of them not run")
    assert len(left) <= MOST_NOT_RUN


def one(text: str) -> Block:
    (block,) = blocks_of("a page", text)
    return block


def test_a_block_that_nobody_runs_is_named_with_file_and_line(scene: Scene) -> None:
    block = one("Text.\n\n```cobol\nDISPLAY 'TEA'.\n```\n")
    assert block.name == "a page:3"
    assert "nobody runs this block" in Story(scene).run(block)


@pytest.mark.parametrize(
    "wrong",
    [
        "```python\nraise ValueError('tea')\n```\n",
        "```\n$ echo coffee\ntea\n```\n",
        "```sh\nfalse\n```\n",
        "```cpp\nclient.brew();\n```\n",
        "```toml\n[limits]\ntea = 1\n```\n",
        "<!-- excerpt: README.md -->\n```python\nno_such_line()\n```\n",
        "<!-- not-run: -->\n```python\n```\n",
    ],
)
def test_a_block_that_is_wrong_is_noticed(wrong: str, scene: Scene) -> None:
    assert Story(scene).run(one(wrong)) != ""


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["12 calls in 3.1 ms"], "9,000 calls in 8 us\n", True),
        (["12 calls"], "12 cups\n", False),
        (['{"n": 2}'], '{"n": 3}\n', False),
        (["a", "...", "b"], "a\nx\ny\nb\n", True),
        (["a"], "a\nb\n", False),
        (["failed: ..."], "failed: no tea\n", True),
    ],
)
def test_what_was_printed_is_compared(shown: list[str], printed: str, same: bool) -> None:
    assert is_as_shown(shown, printed) == same
