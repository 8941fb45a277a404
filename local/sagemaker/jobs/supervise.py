"""Runs one command in its own process group and ends the whole group when told, or when the parent is gone.

    python -I supervise.py COMMAND ARGUMENT...

Standard input is the lifeline: the line "stop SECONDS" asks for SIGTERM and, after that many seconds, SIGKILL; its end
means that the parent died, and nobody must be left behind. The exit status is the command's (128 + N after signal N).
Standard library only: it runs under any interpreter.
"""

import os
import signal
import subprocess
import sys
import threading

ORPHAN_GRACE_SECONDS = 5.0


def end_group(child: "subprocess.Popen[bytes]", grace: float) -> None:
    """SIGTERM to the group, SIGKILL after `grace` seconds."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, ORPHAN_GRACE_SECONDS)):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        if number == signal.SIGKILL:
            return


def listen(child: "subprocess.Popen[bytes]") -> None:
    """Obey the lifeline until it ends."""
    for line in sys.stdin:
        word, _, seconds = line.strip().partition(" ")
        if word == "stop":
            end_group(child, float(seconds))
    end_group(child, ORPHAN_GRACE_SECONDS)


def main() -> int:
    """Run the command given on the command line."""
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"The command could not be started: {error.strerror}", flush=True)
        return 127
    threading.Thread(target=listen, args=(child,), daemon=True).start()
    status = child.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
