"""``python -m edge``."""

import sys

from edge.runner import main

if __name__ == "__main__":
    sys.exit(main())
