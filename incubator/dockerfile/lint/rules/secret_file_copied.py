"""SecretFileCopied: files that hold secrets are mounted while they are needed, not copied into a layer."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from incubator.dockerfile.instructions import AddInstruction, CopyInstruction
from incubator.dockerfile.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.dockerfile.lint.subject import Subject

_NAMES = frozenset((
    ".dockercfg", ".git-credentials", ".htpasswd", ".my.cnf", ".netrc", ".npmrc", ".pgpass", ".pypirc", ".vault-token",
    "_netrc", "application_default_credentials.json", "credentials.json", "id_dsa", "id_ecdsa", "id_ed25519", "id_rsa",
    "kubeconfig", "secrets.env", "secrets.json", "secrets.yaml", "secrets.yml",
))  # fmt: skip
_SETTINGS = re.compile(r"\.npmrc|\.pypirc|\.env(?:\..+)?")
"""What may as well hold mere settings."""
_ENDINGS = (".jks", ".kdbx", ".keystore", ".p12", ".pfx", ".ppk")
_PATHS = (".aws/credentials", ".docker/config.json", ".kube/config", ".ssh")
_ENV = re.compile(r"\.env(?:\..+)?")
_SAMPLE = re.compile(r"example|sample|template|dist|schema", re.IGNORECASE)
_KEY_WORDS = frozenset(("key", "privkey", "private"))
_PARTS = re.compile("[._-]")
_PUBLIC = re.compile(r"public|\bpub\b", re.IGNORECASE)


def check(subject: Subject) -> Iterator[Finding]:
    """Fires at a source of the context whose name is that of a key, a token file or the like.

    In a stage whose layers are in no image, as it only lends files, settings are left alone.
    """
    for stage in subject.reached:
        kept = stage.index in subject.kept
        danger = "everyone who has the image can read it" if kept else "it stays in the build's cache"
        for step in stage.steps:
            instruction = step.instruction
            if not isinstance(instruction, CopyInstruction | AddInstruction):
                continue
            if isinstance(instruction, CopyInstruction) and instruction.from_:
                continue
            for source, written in zip(step.texts, instruction.sources, strict=True):
                if is_secret_path(source) and (kept or not _SETTINGS.fullmatch(posixpath.basename(source))):
                    yield Finding(
                        message=f"'{source}' looks like a secret: {danger}; use RUN --mount=type=secret instead",
                        instruction=instruction,
                        word=written,
                    )


def is_secret_path(path: str) -> bool:
    """Whether a file of that name usually holds a secret."""
    clean = posixpath.normpath("/" + path)
    name = posixpath.basename(clean)
    if "://" in path or _SAMPLE.search(name):
        return False
    if name in _NAMES or name.lower().endswith(_ENDINGS) or _ENV.fullmatch(name):
        return True
    if _is_key(name) and not _PUBLIC.search(name):
        return True
    return any(clean.endswith("/" + ending) for ending in _PATHS)


def _is_key(name: str) -> bool:
    """Whether it is `NAME.key`, or a `.pem` with a word for a private key.

    A regular expression for both would go back and forth in a long name.
    """
    stem, _, ending = name.lower().rpartition(".")
    if ending == "key":
        return bool(stem)
    return ending == "pem" and not _KEY_WORDS.isdisjoint(_PARTS.split(stem))


RULE = Rule(
    name="SecretFileCopied",
    summary="Files that hold secrets should be mounted, not copied into the image",
    check=check,
    own=True,
)
