"""Try what a service must not be able to do, and print what was possible, one name a line. Runs inside its sandbox."""

import ctypes
import mmap
import os
import pathlib
import signal
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, CLONE_NEWNS = 16, 0x20000


def call(name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def setuid_file() -> None:
    path = pathlib.Path("/tmp/probe")  # noqa: S108
    path.touch()
    path.chmod(0o4755)


def other_process() -> None:
    pathlib.Path("/proc/1/status").read_text()


def writable_code() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def listen() -> None:
    socket.create_server(("127.0.0.1", 8098)).close()


def metadata() -> None:
    try:
        socket.create_connection(("169.254.169.254", 80), timeout=1).close()
    except TimeoutError:
        return  # the packet left the host


ATTEMPTS = {
    "write the configuration": lambda: pathlib.Path("/etc/harvester/x").write_text("x"),
    "write the code": lambda: pathlib.Path("/opt/harvester/x").write_text("x"),
    "list root's home": lambda: os.listdir("/root"),  # noqa: PTH208
    "read the passwords": lambda: pathlib.Path("/etc/shadow").read_text(),
    "see the token's store": lambda: os.listdir("/var/lib/harvester-token"),  # noqa: PTH208
    "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "open netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "open a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "trace a process": lambda: call("ptrace", PTRACE_ATTACH, os.getppid(), 0, 0),
    "make a namespace": lambda: call("unshare", CLONE_NEWNS),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "make a setuid file": setuid_file,
    "see another process": other_process,
    "write and run memory": writable_code,
    "listen": listen,
    "reach the metadata service": metadata,
}

signal.alarm(30)
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
        print(name, flush=True)
    except OSError:
        continue
