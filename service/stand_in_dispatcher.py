"""A stand-in for the person at the page: accepts the best proposal through the API, as the page does."""

import logging
import threading

import httpx

NAME = "stand-in dispatcher"
_EVERY_S = 1.0
_TIMEOUT_S = 5.0

_log = logging.getLogger(__name__)


class StandInDispatcher:
    """Looks for open proposals every second and accepts the best: most incidents answered, then least driving added.

    Parameters
    ----------
    address
        Of the service, for instance ``http://127.0.0.1:8080``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in-dispatcher", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join(2 * _TIMEOUT_S)

    def _run(self) -> None:
        with httpx.Client(base_url=self._address, timeout=_TIMEOUT_S) as client:
            while not self._over.wait(_EVERY_S):
                try:
                    self._look(client)
                except httpx.HTTPError as error:
                    _log.warning("The service does not answer the stand-in dispatcher: %s", error)
                except Exception:
                    _log.exception("The stand-in dispatcher does not understand the service.")

    def _look(self, client: httpx.Client) -> None:
        answer = client.get("/v1/proposals", params={"status": "open"})
        answer.raise_for_status()
        proposals = answer.json()["items"]
        if not proposals:
            return
        best = min(proposals, key=lambda one: (-len(one["incidents"]), one["cost"]["distanceKm"]))
        said = {"decision": "accept", "by": NAME, "plan": best["planAfter"]}
        decided = client.post(f"/v1/proposals/{best['id']}/decision", json=said)
        # 409: decided or superseded since we looked.
        if decided.status_code != httpx.codes.CONFLICT:
            decided.raise_for_status()
