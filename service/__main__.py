"""``python -m service``: the command line ``ronde``."""

from service.cli import main

if __name__ == "__main__":
    main()
