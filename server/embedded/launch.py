"""Becomes another program that does not outlive its parent. Run as a script:

    python -I -S launch.py PARENT_PID SIGNAL UID:GID|- FOLDER PROGRAM [ARGUMENT...]

The wish to be signalled when the parent ends must be uttered by the child itself, after it has given up its rights
(setuid clears it) and before it turns into the program. A hook between fork and exec would do that too, but is not
safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, with_signal: int = signal.SIGKILL) -> None:
    """Linux only: elsewhere it does nothing. The parent is the thread that started this process, to be exact."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent ended before its child had started")


def main(arguments: list[str]) -> None:
    parent, signal_number, user, folder, *program = arguments
    for inherited in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(inherited, signal.SIG_DFL)  # ignored signals would stay ignored through exec
    try:
        os.chdir(folder)
        os.umask(0o077)
        if user != "-":
            uid, gid = (int(number) for number in user.split(":"))
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        die_with_parent(int(parent), int(signal_number))
        os.execv(program[0], program)  # noqa: S606
    except OSError as error:
        sys.exit(f"{program[0]} cannot be started: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
