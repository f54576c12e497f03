"""The command line: `python run.py COMMAND ...`; `python run.py --help` lists the commands."""

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from cli.failures import explain
from cli.quiet import hush
from commands import COMMANDS
from errors import InputError, one_line, quoted


def overview() -> str:
    """What `python run.py --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python run.py COMMAND ...",
            "",
            "GCN-PSN: how good is an action, from poses alone. For example:",
            "  python run.py fit --config demo.yaml",
            "  python run.py fit --config aqa7.yaml --model.margin 0.7",
            "",
            "commands:",
            *lines,
            "",
            "python run.py COMMAND --help tells a command's options.",
        ]
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; `args` without the program's name, by default those of the process.

    With GCN_PSN_DEBUG=1 in the environment, the traceback of an error stands before its line.

    Returns:
        The exit code: 0, 2 when something the user gave is wrong (one line on standard error says what), 130 when
        interrupted.
    """
    words = list(sys.argv[1:] if args is None else args)
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        if not words:
            print("error: no command given; see above", file=sys.stderr)
        return 0 if words else 2
    command = COMMANDS.get(words[0])
    if command is None:
        near = difflib.get_close_matches(words[0], COMMANDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(COMMANDS)}"
        print(f"error: no command {quoted(words[0])}; {hint}", file=sys.stderr)
        return 2
    hush()
    try:
        return int(importlib.import_module(command.module).run(words))
    except (InputError, ImportError, OSError, KeyboardInterrupt) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 1
        said = explain(error, words, command.install)
        if said is None:  # a fault of this program, or of one that it uses
            raise
        if os.environ.get("GCN_PSN_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        print(f"error: {one_line(said)}", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 2


def _nobody_reads() -> bool:
    """Whether standard output goes to a program that has ended, such as `head`; from then on it goes nowhere."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
