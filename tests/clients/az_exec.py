"""`az container exec`: a terminal in a container. TEAM_IMAGE is an image with a shell that was pushed before."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

from check import LOCATION, answered, az, fail, log_in, that

CREDENTIALS = ["--registry-login-server", os.environ["ACR_LOGIN_SERVER"], "--registry-username", os.environ["ACR_USERNAME"], "--registry-password", os.environ["ACR_PASSWORD"]]


def typed(line, text, limit=60):
    """Runs an interactive command on a terminal, types a text at its prompt, and gives all that the terminal showed."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    program = [sys.executable, "-m", "azure.cli", *line]
    process = subprocess.Popen(program, stdin=its, stdout=its, stderr=its, env={**os.environ, "AZ_INSTALLER": "PIP"})
    os.close(its)
    shown, sent, deadline = b"", False, time.monotonic() + limit
    while process.poll() is None or select.select([mine], [], [], 0.2)[0]:
        if time.monotonic() > deadline:
            process.kill()
            fail(f"`az {' '.join(line)}` ends within {limit} s", shown.decode(errors="replace"))
        if select.select([mine], [], [], 0.2)[0]:
            try:
                read = os.read(mine, 4096)
            except OSError:
                # The other end of a terminal is closed by an error and not by an end.
                break
            if not read:
                break
            shown += read
        # The shell's prompt: what is typed before it is typed into nothing.
        if not sent and (b"#" in shown or b"$" in shown):
            os.write(mine, text.encode())
            sent = True
    os.close(mine)
    return process.wait(), shown.decode(errors="replace")


def inside(name):
    return typed(["container", "exec", "-g", "walk", "-n", name, "--exec-command", "/bin/sh"], "echo $((6*7))-$WORD; exit\n")


log_in()
az(f"group create -n walk -l {LOCATION}")
az(
    "container create -g walk -n one --image {} --os-type Linux --cpu 1 --memory 1 --command-line {} --secure-environment-variables WORD=hidden",
    os.environ["TEAM_IMAGE"], "sleep 600", *CREDENTIALS,
)
code, shown = inside("one")
that("exec runs what is typed, in the container's own environment", code == 0 and "42-hidden" in shown, shown)
answered("container stop -g walk -n one")
code, shown = inside("one")
that("exec in a group that is stopped is refused", code != 0 and "42-hidden" not in shown, (code, shown))
