"""Shows one plain line on a rich console."""

from rich.console import Console


def show_line(console: Console, line: str) -> None:
    """Prints a line as it is: no markup, no coloring, no breaks at the console's width.

    Args:
        console: rich Console. The console.
        line: str. The line.

    Example:

    >>> show_line(Console(width=20), "a path of [many] characters: /some/where/else")
    a path of [many] characters: /some/where/else
    """
    console.print(line, markup=False, highlight=False, soft_wrap=True)
