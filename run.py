"""The command line: `python run.py COMMAND ...`; `python run.py --help` lists the commands."""

import difflib
import importlib
import sys
from collections.abc import Sequence

from commands import COMMANDS
from errors import InputError


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
        print(f"error: no command {words[0]!r}; {hint}", file=sys.stderr)
        return 2
    try:
        return int(importlib.import_module(command.module).run(words))
    except InputError as error:
        message = str(error)
    except ModuleNotFoundError as error:
        if not command.requirements:
            raise
        message = f"{words[0]} needs the package {error.name}: pip install -r {command.requirements}"
    except OSError as error:
        message = f"{error.filename or 'a file'}: {error.strerror or error}; free space, or choose another folder"
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
