"""Copies of this project for CI clients to run in: what git tracks or would track, as it is now."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder`; its output."""
    identity = ["-c", "user.name=e2e", "-c", "user.email=e2e@example.test", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def copy_project(folder: Path) -> Path:
    """Copy the project's files into the new folder and commit them there."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return commit_all(folder)


def commit_all(folder: Path) -> Path:
    """Make `folder` a repository with one commit of all that is in it."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "test")
    return folder
