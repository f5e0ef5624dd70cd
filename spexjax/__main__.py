"""`python -m spexjax` is the command line."""

import sys

from spexjax.cli import main

sys.exit(main())
