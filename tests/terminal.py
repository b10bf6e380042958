"""A terminal with a person at it: a program in tmux, keys typed, the screen read."""
import os
import subprocess
import time

PATIENCE = 30


class Terminal:
    """A program with a home of its own, in a terminal of this size."""

    def __init__(self, home, command, columns=110, rows=32):
        self.socket = f"{home}/tmux"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TMUX"))}
        self.env |= {"HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), command)

    def tmux(self, *arguments):
        done = subprocess.run(
            ["tmux", "-S", self.socket, "-f", "/dev/null", *arguments], env=self.env, capture_output=True, text=True, timeout=10)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def type(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def screen(self, colours=False):
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def wait(self, text):
        """Until the screen shows a text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.screen():
            assert time.monotonic() < deadline, f"no {text!r} on the screen:\n{self.screen()}"
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")
