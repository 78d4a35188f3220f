"""Every code block of README.md and docs/ is run, or checked where a test cannot run it."""

import re
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import soundfile
import soxr
import yaml
from aligners import write_model
from click.testing import CliRunner
from doc_shell import ROOT, Shell
from markdown_it import MarkdownIt

from espnet_wabert.cli.main import main
from espnet_wabert.demo.clips import CLIPS, DASHWOOD
from espnet_wabert.models.builder import PARTS, options

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NODE = r'\w+(\["[^"\[\]]+"\])?'
EDGE = re.compile(rf'{NODE} (-->|-\.->)(\|"[^"|]+"\|)? {NODE}')
FIGURE = re.compile(r"-?\d+\.\d+")


class Block(NamedTuple):
    """A fenced block; `line` is that of its first line of code."""

    language: str
    line: int
    code: str


def blocks(page: Path) -> list[Block]:
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    found = [token for token in tokens if token.type in ("fence", "code_block")]
    return [Block(token.info.strip(), token.map[0] + 2, token.content) for token in found]


class Reader:
    """Does what a reader of one page does, block by block, in one folder."""

    def __init__(self, page: Path, folder: Path):
        self.page, self.shell, self.names, self.printed = page, Shell(folder), {}, ""

    def bash(self, block: Block) -> None:
        self.printed = self.shell.run(block.code)

    def python(self, block: Block) -> None:
        code = compile("\n" * (block.line - 1) + block.code, self.page, "exec")
        with redirect_stdout(StringIO()) as printed:
            exec(code, self.names)
        self.printed = printed.getvalue()

    def text(self, block: Block) -> None:
        """What the block before it printed; figures may differ a little between machines."""
        assert FIGURE.sub("0", self.printed).split() == FIGURE.sub("0", block.code).split()
        shown, printed = (list(map(float, FIGURE.findall(t))) for t in (block.code, self.printed))
        assert printed == pytest.approx(shown, abs=0.03)

    def yaml(self, block: Block) -> None:
        """Fields of a configuration, which the classes have."""
        conf: dict[str, Any] = yaml.safe_load(block.code)
        for part in set(PARTS) & set(conf):
            fields = conf.pop(f"{part}_conf")
            assert set(fields) <= set(options(PARTS[part][conf.pop(part)]))
        assert not conf, f"unknown fields {list(conf)}"

    def mermaid(self, block: Block) -> None:
        """Lines of a flowchart; of the rooms, each is one of the package."""
        first, *lines = block.code.splitlines()
        assert re.fullmatch(r"flowchart (LR|TD)", first)
        assert [line for line in lines if not EDGE.fullmatch(line.strip())] == []
        if self.page.name == "architecture.md":
            rooms = set(re.findall(r"\b(\w+)(?=\[| -|$)", "\n".join(lines), re.MULTILINE))
            there = {path.parent.name for path in (ROOT / "espnet_wabert").glob("*/__init__.py")}
            assert rooms == there


HANDLERS: dict[str, Callable[[Reader, Block], None]] = {
    "": Reader.bash, "bash": Reader.bash, "python": Reader.python, "text": Reader.text,
    "yaml": Reader.yaml, "mermaid": Reader.mermaid,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the pages name, of the recordings in the package."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "espnet_wabert").symlink_to(ROOT / "espnet_wabert")
    speech, rate = soundfile.read(CLIPS[0].path, dtype="float32")
    for name in ("recording.mp3", "talk.mp3", "clip.wav"):
        soundfile.write(folder / name, speech, rate)
    (folder / "talk.txt").write_text(DASHWOOD)
    write_model(folder).rename(folder / "align.zip")
    (folder / "recordings").mkdir()
    paths = {Path(clip.path).stem: clip.path for clip in CLIPS}
    for name, path in paths.items():
        (folder / "recordings" / f"{name}.flac").symlink_to(path)
    (folder / "wav.scp").write_text("".join(f"{name} {path}\n" for name, path in paths.items()))
    texts = {"dashwood": DASHWOOD, "amiable": "he might even have been made amiable himself"}
    (folder / "text").write_text("".join(f"{name} {text}\n" for name, text in texts.items()))
    for name, text in texts.items():
        (folder / "recordings" / f"{name}.txt").write_text(text)
    rows = ["path,label"]
    (folder / "clips").mkdir()
    for second in range(5):
        piece = speech[second * rate : (second + 1) * rate]
        for label, fs in (("near", rate), ("telephone", 8000)):
            path = f"clips/{second}_{label}.wav"
            soundfile.write(folder / path, soxr.resample(piece, rate, fs), fs)
            rows.append(f"{path},{label}")
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # The model that several pages use; the same command on a page finds it done.
        command = ["finetune", "data.csv", "--out", "exp/mine"]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        yield folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_has_a_handler(page):
    assert [b for b in blocks(page) if b.language not in HANDLERS] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda page: page.stem)
def test_the_blocks_of_a_page(page, folder):
    reader = Reader(page, folder)
    for block in blocks(page):
        try:
            HANDLERS[block.language](reader, block)
        except Exception as error:
            error.add_note(f"{page.name}:{block.line}")
            raise
