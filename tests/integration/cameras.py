"""Cameras for tests: real RTSP servers as child processes, with H.264 and a password."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "hub-viewer", "pa:ss@/w'rd%"
SECRETS = ("hub-viewer", "pa:ss", "pa%3Ass", "w'rd", "w%27rd")
SERVER = Path(__file__).with_name("rtsp_server.py")


@dataclass
class Server:
    """A running camera."""

    process: "subprocess.Popen[str]"
    port: int

    def url(self, path: str = "/live") -> str:
        return f"rtsp://127.0.0.1:{self.port}{path}"

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def make_camera(method: str = "digest") -> Iterator[Server]:
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            ["/usr/bin/python3", str(SERVER), method, USER, PASSWORD], stdout=subprocess.PIPE, stderr=said, text=True
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()  # the test's own time limit ends a server that never speaks
            said.seek(0)
            assert line, f"the camera did not start: {said.read()}"
            yield Server(process, int(line))
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()


def children(owner: int | None = None) -> set[int]:
    """ffmpeg processes of ours, or of another owner."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat, line = (entry / "stat").read_text(), (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == (owner or os.getpid()) and b"ffmpeg" in line:
                found.add(int(entry.name))
    return found
