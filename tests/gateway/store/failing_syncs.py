"""Lets every sync of this process fail with an I/O error from now on, as a dying disk does.

A seccomp filter answers fsync and fdatasync in the kernel's place, for all threads; it needs no
rights and cannot be taken back, so it belongs into a child process.
"""

import ctypes
import errno
import platform

# Numbers of seccomp, fsync and fdatasync. Source: Linux, arch/*/syscalls tables.
_CALLS = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Step(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step)))


def fail_syncs() -> None:
    """From now on no sync succeeds; OSError where the system has no such filter."""
    if platform.system() != "Linux" or platform.machine() not in _CALLS:
        raise OSError(errno.ENOSYS, "no known system call filter")
    seccomp, fsync, fdatasync = _CALLS[platform.machine()]
    steps = (_Step * 5)(
        _Step(_LOAD, 0, 0, 0),
        _Step(_JUMP_IF_EQUAL, 1, 0, fsync),
        _Step(_JUMP_IF_EQUAL, 0, 1, fdatasync),
        _Step(_RETURN, 0, 0, _ERRNO | errno.EIO),
        _Step(_RETURN, 0, 0, _ALLOW),
    )
    program = _Program(length=len(steps), steps=steps)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if libc.syscall(seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
