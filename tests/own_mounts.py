"""`python -m tests.own_mounts BEFORE AFTER WORD ...`: a command of run.py between two of a shell, with own mounts."""

import ctypes
import os
import subprocess
import sys

import run

CLONE_NEWNS = 0x00020000


def main() -> int:
    """What is mounted BEFORE is seen by this process alone, and gone with it; the exit code of the command."""
    before, after, *words = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    subprocess.run(["bash", "-ec", f"mount --make-rprivate /\n{before}"], check=True)
    code = run.main(words)
    sys.stdout.flush()
    subprocess.run(["bash", "-c", after], check=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
