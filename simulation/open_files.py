"""How many files this process may have open."""

import resource

from city.errors import PermanentError


def allow_open_files(needed: int) -> None:
    """Raise this process's limit of open files to `needed`.

    Raises
    ------
    PermanentError
        The machine does not allow that many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise PermanentError(
            f"This fleet needs {needed} open files and this machine allows a process {hard}.",
            f"Raise the hard limit (`ulimit -Hn {needed}`, or LimitNOFILE= in systemd), or make a smaller city.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
