"""`python -m crawler` is the command `crawler`."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; a signal that comes while it is still being imported is told like a later one."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from crawler import cli, memory
    except KeyboardInterrupt:
        sys.stderr.write("crawler: stopped; give the same command again to go on\n")
        sys.exit(3)
    memory.own_process()
    try:
        cli.main()
    finally:
        # All is said: a second Ctrl-C while the interpreter goes down must not change how it ended.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
