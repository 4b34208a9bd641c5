"""`python -m simulation`: make a city, and run its devices."""

import sys

from simulation.command import main

if __name__ == "__main__":
    sys.exit(main())
