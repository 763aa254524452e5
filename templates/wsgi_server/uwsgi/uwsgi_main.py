"""Become uWSGI: what its main process runs at each start and each reload.

It does not import the package, so that workers load the code that is current then.
"""

import os
import runpy
import shutil
import signal
from pathlib import Path
from typing import Any

import pyuwsgi  # type: ignore[import-not-found]  # has no types


def main(output: int | None) -> None:
    """Run uWSGI with the options on the command line.

    Args:
        output: The descriptor under which workers find standard output, if lines
            have to be JSON; uWSGI puts a pipe of its own in place of descriptor 1.

    """
    # Ctrl-C is uWSGI's from the start: Python's own handler would lose it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if output is not None:
        os.dup2(1, output)
        relay(runpy.run_path(str(Path(__file__).with_name("lines.py"))))
    pyuwsgi.run()


def relay(lines: dict[str, Any]) -> None:
    """Write uWSGI's first lines as JSON: those before it can do so itself.

    A process of its own does that. It ends as soon as uWSGI replaces descriptor 2.
    """
    handler = lines["capture"]()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        if os.fork() == 0:  # not a child of uWSGI, which would report its end
            with open(reading, "rb", buffering=0) as pipe:  # noqa: PTH123
                shutil.copyfileobj(pipe, lines["Lines"](handler, "uwsgi", 20))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
