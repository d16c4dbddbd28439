"""`python -m core COMMAND`."""

import os
import sys

from core.cli.commands import main

try:
    status = main(sys.argv[1:])
    sys.stdout.flush()
except BrokenPipeError:  # the reader closed the pipe, as `| head` does; without this Python complains again at exit
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status = 1
sys.exit(status)
