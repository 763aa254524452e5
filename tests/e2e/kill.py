"""Ends `deploy/installer.py` at one of its steps; the machine's Python loads this.

Steps are the commands that it runs and the paths that it changes, as audit
events of Python report them: the installer itself needs nothing for these tests.
"""

import os
import re
import signal
import sys


def step_of(event: str, arguments: tuple[object, ...]) -> str:
    """Return the step that an event is; nothing if it is none."""
    if event == "subprocess.Popen":
        _, command, *_ = arguments
        step = " ".join(map(str, command))  # type: ignore[call-overload]
    elif event in {"os.rename", "os.remove", "os.mkdir"}:
        path = str(arguments[event == "os.rename"])
        inside = re.search(r"/releases/\d+/(?!checksum$)|^/run|^[^/]|\.new\b", path)
        step = "" if inside else f"{event} {path}"
    else:
        step = ""
    return re.sub(r"/releases/\d+", "/releases/N", step)


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Report a step, or send the signal before it is done if it is the one."""
    wanted = os.environ["KILL_AT"].partition(" ")
    step = step_of(event, arguments)
    if step and not wanted[0]:
        os.write(2, f"step {step}\n".encode())
    elif step and step == wanted[2]:
        os.environ["KILL_AT"] = "SIGKILL nothing else"
        os.write(2, b"the signal is sent\n")
        os.kill(os.getpid(), getattr(signal, wanted[0]))


if "KILL_AT" in os.environ and any("installer.py" in word for word in sys.orig_argv):
    sys.addaudithook(watch)
