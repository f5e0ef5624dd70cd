"""`python -m spexjax` is the command line."""

import sys

from spexjax.cli._main import main

if __name__ == "__main__":
    sys.exit(main())
