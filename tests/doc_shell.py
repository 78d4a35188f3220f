"""The commands in the shell blocks of the documentation: run, or checked where they cannot run."""

import os
import re
import runpy
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import click
from click.testing import CliRunner

from espnet_wabert.cli.main import COMMANDS, main

ROOT = Path(__file__).parent.parent
# Commands of `wabert` whose options are read only: one does not end, and the export of 8-bit graphs
# takes half a minute more than that of the others.
READ_ONLY = ({"demo"}, {"export", "--int8"})
# Modules whose options are read only: they need a training, download, or take a minute.
OPTIONS_ONLY = {f"espnet_wabert.bin.{name}" for name in ("pack", "fetch_sources", "real_speech")}
SEPARATORS = {"&&", ";"}


def commands(text: str) -> list[list[str]]:
    """Return the words of each command of a block, without comments."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="&;<>|")
        words.whitespace_split = True
        command: list[str] = []
        for word in [*words, ";"]:
            if word not in SEPARATORS:
                command.append(word)
            elif command:
                found.append(command)
                command = []
    return found


class Shell:
    """Runs the commands of a block in a folder with recordings; recipes are those of `ROOT`.

    Args:
        folder: where `wabert` runs.
    """

    def __init__(self, folder: Path):
        self.folder, self.place = folder, ROOT

    def run(self, text: str) -> str:
        """Run or check each command of a block; return what they print."""
        self.place = ROOT
        return "".join(self.command(words) or "" for words in commands(text))

    def command(self, words: list[str]) -> str | None:
        """Run or check one command; one that is not known here fails."""
        variables = dict(word.split("=", 1) for word in words if re.match(r"\w+=", word))
        name, *given = [word for word in words if not re.match(r"\w+=", word)]
        if name in ("sbatch", "qsub"):  # own options before the script's name
            script = next(index for index, word in enumerate(given) if word.endswith(".sh"))
            name, given = Path(given[script]).name, given[script + 1 :]
        if name.endswith(".sh"):
            return self.recipe(name, given, variables)
        return getattr(self, f"run_{name}")(given)

    def run_wabert(self, given: list[str]) -> str | None:
        """Run a command of the command line in the folder."""
        name, *options = given
        if any(rule <= set(given) for rule in READ_ONLY):
            command = main.get_command(click.Context(main), name)
            assert command is not None and command.make_context(name, options)
            return None
        assert name in COMMANDS, f"wabert {name}: no such command"
        stdin = None
        if "<" in given:
            given, (file,) = given[: given.index("<")], given[given.index("<") + 1 :]
            stdin = (self.folder / file).read_bytes()
        done = CliRunner().invoke(main, given, input=stdin)
        assert done.exit_code == 0, f"wabert {given}: {done.output} {done.exception!r}"
        return done.stdout

    def run_python(self, given: list[str]) -> str | None:
        """Run a command of `espnet_wabert.bin`, or read its options."""
        flag, module, *options = given
        assert flag == "-m"
        command = import_module(module).main
        if module in OPTIONS_ONLY:
            assert command.make_context(module, options)
            return None
        done = CliRunner().invoke(command, options)
        assert done.exit_code == 0, f"{module} {options}: {done.output} {done.exception!r}"
        return done.stdout

    def run_pip(self, given: list[str]) -> None:
        """Check that setup.py has the extras."""
        assert given[:2] == ["install", "-e"]
        extras = re.fullmatch(r"\.\[(.+)\]", given[2])
        assert extras, given
        with patch("setuptools.setup") as setup:
            runpy.run_path(str(ROOT / "setup.py"))
        assert set(extras[1].split(",")) <= setup.call_args.kwargs["extras_require"].keys(), given

    def run_make(self, given: list[str]) -> None:
        """Check that the Makefile has the target, without making it."""
        done = subprocess.run(["make", "-n", *given], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def run_cd(self, given: list[str]) -> None:
        """Go to a folder of the repository."""
        self.place = self.place / given[0]
        assert self.place.is_dir(), self.place

    def recipe(self, name: str, given: list[str], variables: dict[str, str]) -> None:
        """Check the options of a script: it reads them all before it shows its help."""
        script = self.place / name
        assert script.is_file(), script
        own, others = given, []
        if script.name != "run.sh":  # takes the options of run.sh as well
            known = self._help(script, [], {})
            pairs = list(zip(given[::2], given[1::2], strict=True))
            own = [w for pair in pairs if f"\n{pair[0][2:]}=" in known for w in pair]
            others = [w for pair in pairs if f"\n{pair[0][2:]}=" not in known for w in pair]
            self._help(script.with_name("run.sh"), others, variables)
        self._help(script, own, variables)

    def _help(self, script: Path, options: list[str], variables: dict[str, str]) -> str:
        done = subprocess.run(
            [script, *options, "--help"], cwd=script.parent, capture_output=True, text=True,
            env=os.environ | variables,
        )  # fmt: skip
        assert done.returncode == 0, f"{script} {options}: {done.stderr}"
        return done.stdout
