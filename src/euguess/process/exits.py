"""How programs end."""

import os
import sys
from collections.abc import Callable


def run_program(main: Callable[[], None]) -> None:
    """Run a command line; a failure ends the process at once, with its exit code.

    When the object store cannot be reached, a late thread of its client can abort an interpreter
    that is shutting down, and the exit code would be 134.
    """
    try:
        main()
    except SystemExit as ended:
        if ended.code in (None, 0):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
