"""Layer: command line.  What ``python -m fastproc`` runs."""

import sys

from fastproc.cli import main

# Guarded, because a pool's worker that is spawned imports this module too.
if __name__ == "__main__":
    sys.exit(main())
