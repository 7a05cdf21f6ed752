"""Programs of arm64 run by QEMU: Debian's `qemu-user-static`, made known to the kernel by its binfmt_misc.

The registration is the kernel's and so the machine's, not an engine's. It has the flag F: the interpreter is opened
when it is registered, so that it works in containers, which do not have it. Each state folder has a registration of
its own; several labs on one machine do not take it from each other.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from .apt import Bundle, bundle_root
from .errors import LabError
from .machine import OWN_SUITE
from .paths import locked, state_dir, step

NAME = "arm64"
PROGRAM = "usr/bin/qemu-aarch64-static"
RULE = "usr/lib/binfmt.d/qemu-aarch64.conf"
QEMU = Bundle(
    name="qemu",
    suite=OWN_SUITE,
    packages=("qemu-user-static",),
    with_dependencies=False,
    keep=(PROGRAM, RULE),
)
BINFMT = Path("/proc/sys/fs/binfmt_misc")
KERNEL_SUPPORT = Path("/proc/filesystems")
MARK = "we-mounted-it"


def reason_not_here() -> str | None:
    """Why the kernel cannot be told of QEMU; None if nothing is known to be in the way."""
    if BINFMT.is_mount() or "binfmt_misc" in KERNEL_SUPPORT.read_text() or shutil.which("modprobe"):
        return None
    return "needs a kernel with binfmt_misc"


def up() -> str:
    """Let the kernel run arm64 programs; does nothing if this lab did so before. Returns the registration's name."""
    program, rule = (bundle_root(QEMU) / path for path in (PROGRAM, RULE))
    with locked(state_dir(), NAME):
        if not running():
            with step("register QEMU for arm64"):
                _mount()
                # Magic and mask are Debian's; `:name:M:offset:magic:mask:interpreter:flags`, see
                # the kernel's admin-guide/binfmt-misc.rst.
                _, _, kind, offset, magic, mask, _, _ = rule.read_text().strip().split(":")
                line = ":".join(("", _entry().name, kind, offset, magic, mask, str(program), "OCPF"))
                _write(BINFMT / "register", line)
        return _entry().name


def down() -> None:
    """Take this lab's registration back, and the mount if the lab made it and nobody uses it."""
    with locked(state_dir(), NAME):
        if running():
            _write(_entry(), "-1")
        folder = state_dir() / NAME
        if (folder / MARK).exists() and not any(BINFMT.glob("*-*")) and BINFMT.is_mount():
            subprocess.run(["umount", str(BINFMT)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def running() -> bool:
    """Whether this lab has its registration."""
    return _entry().exists()


def _entry() -> Path:
    digest = hashlib.sha256(str(state_dir()).encode()).hexdigest()
    return BINFMT / f"incubator-lab-{digest[:8]}"


def _mount() -> None:
    folder = state_dir() / NAME
    folder.mkdir(exist_ok=True)
    if BINFMT.is_mount():
        return
    done = subprocess.run(
        ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise LabError(f"cannot mount {BINFMT}: {done.stderr.strip()}")
    (folder / MARK).touch()


def _write(path: Path, text: str) -> None:
    try:
        with path.open("w") as control:
            control.write(text)
    except OSError as error:
        raise LabError(f"the kernel refuses {text!r} at {path}: {error.strerror}") from error
