"""The process of the embedded broker: ``python -m broker.embedded CONFIG``; `broker.server` starts it.

rumqttd cannot be stopped from within, so it gets a process of its own. That process ends when its standard input
closes, that is, at the latest when whoever started it is gone.
"""

import os
import sys
import threading

from iotcore import IotCoreBroker


def main(config: str) -> None:
    """Run rumqttd with a configuration file until standard input closes."""
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    IotCoreBroker(config_path=config).run_forever()


def _end_with_standard_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
