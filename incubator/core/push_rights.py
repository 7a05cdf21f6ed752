"""Whether the image may be pushed where it is to go: asked while a build is planned, told before it runs.

Only a registry's own refusal counts. One that does not answer from here may well answer the engine, which pushes then.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self

from incubator.errors import BuilderError, PushFailed, RegistryError
from incubator.oci.reference import is_loopback
from incubator.registry.patience import Patience
from incubator.registry.repository import Registries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from incubator.oci.reference import Reference
    from incubator.registry.credentials import Credentials

_PATIENCE: Final = Patience(attempts=1, connect_timeout_s=3, silence_timeout_s=10)
_REFUSED: Final = frozenset((401, 403, 404))
_MOST_THREADS: Final = 4


class PushRights:
    """Asks for `tags`, one repository once; a context manager.

    `own_logins`: the engine may have logins that are not among `credentials`.
    """

    def __init__(self, tags: Sequence[Reference], credentials: Credentials, *, own_logins: bool) -> None:
        self._tags = tags
        self._own_logins = own_logins
        self._registries = Registries(credentials, patience=_PATIENCE)
        self._credentials = credentials
        self._pool = ThreadPoolExecutor(_MOST_THREADS) if tags else None
        names = {tag.name: tag for tag in tags}
        self._asked: list[Future[RegistryError | None]] = [
            self._pool.submit(self._ask, tag) for tag in names.values() if self._pool
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._registries.close()
        if self._pool:
            self._pool.shutdown()

    def check(self) -> None:
        """Raise PushFailed where a registry refuses."""
        for asked in self._asked:
            error = asked.result()
            if error is not None:
                raise PushFailed(
                    f"{error.message}; nothing was built",
                    pushed=(),
                    failed=[str(tag) for tag in self._tags],
                    hint=error.hint,
                ) from error

    def _ask(self, tag: Reference) -> RegistryError | None:
        """The refusal of a registry; None also where nothing can be told from here."""
        try:
            self._registries.repository(tag).check_push()
        except RegistryError as error:
            return error if self._counts(tag, error.status) else None
        except BuilderError:  # a file of logins that cannot be read is told where it is needed
            return None
        return None

    def _counts(self, tag: Reference, status: int | None) -> bool:
        if status not in _REFUSED:
            return False
        if status == 404:  # on a port of this very machine something else may answer
            return not is_loopback(tag.registry)
        return not self._own_logins or self._credentials.find(tag.registry, tag.repository) is not None
