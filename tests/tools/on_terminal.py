#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""on_terminal.py COMMAND... -- STEP...: run a command on a terminal of its own.

A step is expect:TEXT (wait for it, at most 60 s), send:TEXT (C escapes; \\x03 is Ctrl-C) or
until:SHELL-COMMAND (repeat it until it succeeds). Prints all that the command wrote; exits as it did, or with
99 where a step did not come true."""
import codecs
import os
import pty
import select
import signal
import subprocess
import sys
import time


def main():
    split = sys.argv.index("--")
    command, steps = sys.argv[1:split], sys.argv[split + 1:]
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    seen, at = b"", 0

    def read(seconds):
        nonlocal seen
        if select.select([fd], [], [], seconds)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:  # the command has ended
                return False
            seen += piece
            return bool(piece)
        return True

    failed = None
    for step in steps:
        what, _, text = step.partition(":")
        limit = time.monotonic() + 60
        if what == "send":
            os.write(fd, codecs.escape_decode(text.encode())[0])
        while what == "expect":
            found = seen.find(text.encode(), at)
            if found >= 0:
                at = found + len(text.encode())
                break
            if not read(0.2) or time.monotonic() > limit:
                failed = step
                break
        while what == "until" and subprocess.run(["bash", "-c", text]).returncode:
            read(0.05)
            if time.monotonic() > limit:
                failed = step
                break
        if failed:
            os.kill(pid, signal.SIGKILL)
            break
    limit = time.monotonic() + 60
    while not failed and read(0.2):
        if time.monotonic() > limit:
            failed = "(the command ends)"
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    sys.stdout.buffer.write(seen)
    if failed:
        print(f"\nstep did not come true: {failed}")
        return 99
    return os.waitstatus_to_exitcode(status) & 255


sys.exit(main())
