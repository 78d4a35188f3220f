"""Text tables: for a terminal, in plain columns, in Markdown."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from espnet_wabert.formats.lines import write_atomically

BAR = "\\|"  # in a cell of Markdown
NOTE_WIDTH = 100  # characters
FILE_WIDTH = 1000  # ... of a table when the output is not a terminal: no cell is broken


class Table(NamedTuple):
    """A table of text cells; the first `names` columns are left-aligned, the others are numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1
    note: str = ""
    marked: int | None = None  # the row in bold


def print_tables(tables: Sequence[Table], stream: IO[str] | None = None) -> None:
    """Print with rich on a terminal, and in plain columns elsewhere, where no cell is broken."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=FILE_WIDTH, color_system=None)
    for table in tables:
        console.print(Text(table.title, style="bold"))
        drawn = RichTable(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
        drawn.padding = (0, 1, 0, 0)
        for place, column in enumerate(table.columns):
            text = place < table.names
            drawn.add_column(
                Text(column), justify="left" if text else "right", no_wrap=not text, overflow="fold"
            )
        for number, row in enumerate(table.rows):
            style = "bold" if number == table.marked else ""
            drawn.add_row(*(Text(cell) for cell in row), style=style)
        console.print(drawn)
        if table.note:
            console.print(Text(table.note), width=min(console.width, NOTE_WIDTH))
        console.print()


def markdown(tables: Sequence[Table]) -> str:
    """Return the tables in Markdown."""
    return "\n".join(_markdown(table) for table in tables)


def write_markdown(path: str | Path, tables: Sequence[Table]) -> None:
    """Write the tables in Markdown."""
    write_atomically(path, markdown(tables))


def _markdown(table: Table) -> str:
    dashes = [":--" if place < table.names else "--:" for place in range(len(table.columns))]
    lines = [f"### {table.title}", "", _pipes(table.columns), _pipes(dashes)]
    for number, row in enumerate(table.rows):
        lines.append(_pipes(f"**{cell}**" if number == table.marked else cell for cell in row))
    return "\n".join([*lines, *(["", table.note] if table.note else []), ""])


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"
