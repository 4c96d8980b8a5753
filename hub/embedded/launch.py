"""Start a program that dies with its owner: `launch.py OWNER_PID SIGNAL UID GID PROGRAM ARG...`.

Runs as a script of its own (standard library only) and then becomes PROGRAM, so that nothing has to be
executed between fork and exec of a process with threads. The order matters: Linux forgets the death signal
on every change of uid, hence uid first, signal second. UID -1 keeps the user.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def become(owner: int, signum: int, uid: int, gid: int, argv: list[str]) -> None:
    """Drop to `uid`, ask for `signum` at the owner's death, become `argv`. OSError when that fails."""
    os.umask(0o077)
    if uid >= 0:
        os.setgroups([])
        os.setregid(gid, gid)
        os.setreuid(uid, uid)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != owner:  # it died before we asked: nobody would ever stop us
        sys.exit(3)
    os.execv(argv[0], argv)  # noqa: S606 (no shell is the point)


if __name__ == "__main__":
    _owner, _signum, _uid, _gid = map(int, sys.argv[1:5])
    become(_owner, _signum, _uid, _gid, sys.argv[5:])
