"""`python -m core COMMAND`."""

import os
import sys

from core.cli.commands import main

try:
    status = main(sys.argv[1:])
    sys.stdout.flush()
except BrokenPipeError:  # whoever reads has seen enough, as `| head` has; Python would complain again as it ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status = 1
sys.exit(status)
