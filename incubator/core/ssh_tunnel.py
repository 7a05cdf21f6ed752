"""An engine's socket brought here by the user's own `ssh`: its configuration, keys, agent and known hosts."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import weakref
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from incubator.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.ssh_address import SshAddress

_CONNECT_S: Final = 30
_READY_S: Final = 60.0
"""How long all that ssh does before the other side answers may take: jump hosts come one after another."""
_END_S: Final = 5.0
_LAST_WORDS_S: Final = 1.0
"""How long what `ssh` has said may be on its way."""
_LINES: Final = 5
_LONGEST: Final = 500
_READY: Final = b"ready\n"
_SHORT: Final = 60
"""Characters of a folder that leave room for the name of a socket, which may have 107."""

_OPTIONS: Final = (
    "BatchMode=yes",  # a job must not wait for an answer that nobody gives
    f"ConnectTimeout={_CONNECT_S}",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    # A connection that is shared would outlive the build, with what it forwards.
    "ControlMaster=no",
    "ControlPath=none",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    # What the user's configuration forwards is of no concern, and must not be in the way.
    "ClearAllForwardings=no",
    "ExitOnForwardFailure=no",
)


def ssh_arguments(address: SshAddress, socket: str) -> list[str]:
    """What `ssh` is called with to bring the socket of `address` to the path `socket`.

    The command over there ends when its input does, which is when this process ends, however it does.
    """
    options = [argument for option in _OPTIONS for argument in ("-o", option)]
    if address.user:
        options += ["-l", address.user]
    if address.port:
        options += ["-p", str(address.port)]
    return ["-T", "-a", "-x", *options, "-L", f"{socket}:{address.path}", "--", address.host, "cat"]


class SshTunnel:
    """A running `ssh`; `socket` is the path where the engine answers. It ends with `close`, or with this process."""

    def __init__(self, address: SshAddress, environ: Mapping[str, str]) -> None:
        """Raises EngineUnreachable: there is no `ssh`, or it gets no connection."""
        program = shutil.which("ssh", path=environ.get("PATH"))
        if program is None:
            raise EngineUnreachable(
                f"{address}: there is no program ssh to reach the engine with",
                hint="install OpenSSH's client, or reach the engine by tcp:// with TLS",
            )
        self.address = address
        self._said: deque[str] = deque(maxlen=_LINES)
        folder = ""
        try:
            here = tempfile.gettempdir()
            folder = tempfile.mkdtemp(prefix="incubator-ssh-", dir=here if len(here) < _SHORT else "/tmp")  # noqa: S108
            self.socket = f"{folder}/engine.sock"
            # In a session of its own: an interrupt from the terminal must not cut it off before the build has cleaned
            # up, and what it starts can be ended with it.
            self._process = subprocess.Popen(  # noqa: S603 - an address holds nothing that is an option
                [program, *ssh_arguments(address, self.socket)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as error:
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
            raise EngineUnreachable(f"{address}: {program} cannot be started: {error.strerror}") from error
        assert self._process.stderr
        self._listener = threading.Thread(
            target=_listen, args=(self._process.stderr, self._said), daemon=True
        )
        self._listener.start()
        self._end = weakref.finalize(self, _end, self._process, self._listener, folder)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it. May be called again."""
        self._end()

    def is_lost(self, patience_s: float) -> bool:
        """True if `ssh` has ended, or does so within this time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        return self._process.poll() is not None

    def said(self) -> str:
        """The last that `ssh` has told, in a line; "" if nothing."""
        if self._process.poll() is not None:
            self._listener.join(_LAST_WORDS_S)
        return "; ".join(dict.fromkeys(self._said))

    def _wait(self) -> None:
        stdout = self._process.stdout
        assert stdout
        assert self._process.stdin
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _kill(self._process)

        timer = threading.Timer(_READY_S, expire)
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(_READY)
                self._process.stdin.flush()
            # What a shell says when it starts comes before.
            lines = iter(lambda: stdout.readline(_LONGEST), b"")
            is_ready = any(line.endswith(_READY) for line in itertools.islice(lines, _LONGEST))
        finally:
            timer.cancel()
            timer.join()
        if is_ready and Path(self.socket).exists():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        said = self.said()
        status = self._process.poll()
        if said:
            reason = said
        elif expired.is_set():
            reason = f"nobody has answered for {_READY_S:.0f} seconds"
        elif status is not None:
            reason = f"it has ended with status {status}, and told nothing"
        elif is_ready:
            reason = "it stands, but ssh has not forwarded the socket"
        else:
            reason = "the other side does not run the command `cat`"
        raise EngineUnreachable(
            f"{self.address}: ssh gets no connection: {reason}", hint=_hint(self.address, said)
        )


def _hint(address: SshAddress, said: str) -> str:
    target = f"{address.user}@{address.host}" if address.user else address.host
    port = f"-p {address.port} " if address.port else ""
    trial = f"ssh -o BatchMode=yes {port}{target} true"
    if "Host key verification failed" in said:
        return f"its key must be in ~/.ssh/known_hosts: compare it once by hand, with ssh {port}{target}"
    if "Permission denied" in said:
        return f"a key for it must be in the agent (SSH_AUTH_SOCK) or in ~/.ssh, as nothing is asked; try {trial}"
    return f"see whether this works: {trial}"


def _listen(stderr: IO[bytes], said: deque[str]) -> None:
    with stderr:
        for line in iter(lambda: stderr.readline(_LONGEST), b""):
            text = "".join(
                char if char.isprintable() else " " for char in line.decode(errors="replace")
            ).strip()
            if text:
                said.append(text)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End `ssh` and what it has started, such as the command of a proxy."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes], listener: threading.Thread, folder: str) -> None:
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()
    listener.join(_LAST_WORDS_S)
    if listener.is_alive():  # something that it has started goes on, and holds its stderr
        _kill(process)
        listener.join(_LAST_WORDS_S)
    if process.stdout:
        process.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)
