"""Whether what is built may be pushed where it is to go: asked while a build is planned, told before it runs.

Only a registry's own refusal ends a build. One that does not answer from here may well answer the engine, which pushes
then: that is a warning, since whoever has mistyped a name need not wait for the push to learn of it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

from incubator.errors import PushFailed, RegistryError
from incubator.oci.reference import is_loopback
from incubator.registry.patience import Patience
from incubator.registry.repository import Registries

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from incubator.oci.reference import Reference
    from incubator.registry.credentials import Credentials

_PATIENCE: Final = Patience(attempts=1, connect_timeout_s=3, silence_timeout_s=10)
_REFUSED: Final = frozenset((401, 403))
_FIRST_SERVER_ERROR: Final = 500
_MOST_AT_ONCE: Final = 4
_END_S: Final = 1.0
"""How long a build that ends early waits for an answer that nobody needs any more."""


class PushRights:
    """Asks for `tags` and `caches`, one repository once; a context manager.

    `own_logins`: the engine may have logins that are not among `credentials`. `elsewhere`: the engine is on another
    machine, and what it calls localhost is not here. `insecure` as of `Registries`.
    """

    def __init__(
        self,
        tags: Sequence[Reference],
        credentials: Credentials,
        *,
        own_logins: bool,
        caches: Sequence[Reference] = (),
        insecure: Collection[str] = frozenset(),
        elsewhere: bool = False,
    ) -> None:
        self._tags = tags
        self._caches = caches
        self._own_logins = own_logins
        self._elsewhere = elsewhere
        self._registries = Registries(credentials, insecure=insecure, patience=_PATIENCE)
        self._credentials = credentials
        places = {place.name: place for place in (*caches, *tags)}
        self._turns = threading.Semaphore(_MOST_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._asked = {name: self._begin(place) for name, place in places.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._registries.close()
        deadline = time.monotonic() + _END_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _begin(self, place: Reference) -> Future[RegistryError | None]:
        """Ask in a thread that keeps no process from ending: a signal must not wait for a registry that is silent."""
        answer: Future[RegistryError | None] = Future()

        def ask() -> None:
            with self._turns:
                try:
                    answer.set_result(self._ask(place))
                except BaseException as error:  # noqa: BLE001 - raised for who waits for the answer
                    answer.set_exception(error)

        thread = threading.Thread(target=ask, daemon=True, name="incubator-rights")
        thread.start()
        self._threads.append(thread)
        return answer

    def check(self) -> None:
        """Raise PushFailed where a registry refuses the image, and what `Credentials` raise for a login."""
        for tag in self._tags:
            try:
                error = self._asked[tag.name].result()
            except RegistryError as no_login:  # the push would need it, too
                raise self._failed(no_login) from no_login
            if error and _refuses(tag, error) and self._counts(tag, error):
                raise self._failed(error) from error

    def silent(self) -> list[str]:
        """Registries of tags that do not answer from here, as texts of warnings, once `check` has passed."""
        found: dict[str, str] = {}
        for tag in self._tags:
            error = self._asked[tag.name].result()
            hidden = self._elsewhere and is_loopback(tag.registry)
            if error and not hidden and (error.status is None or error.status >= _FIRST_SERVER_ERROR):
                reason = error.message.removeprefix(f"cannot push to {tag.name}: ")
                text = f"the push to {tag.name} may fail: {reason}; it is tried all the same in the end"
                found.setdefault(tag.registry, f"{text}; hint: {error.hint}" if error.hint else text)
        return list(found.values())

    def refused_caches(self) -> dict[Reference, RegistryError]:
        """Caches that their registry lets nobody write who has this login, and what it says."""
        answers = {cache: self._asked[cache.name].result() for cache in self._caches}
        return {cache: error for cache, error in answers.items() if error and _refuses(cache, error)}

    def _ask(self, place: Reference) -> RegistryError | None:
        """What a registry says, or that it says nothing; None where it allows a push. Raises as `Credentials` do."""
        repository = self._registries.repository(place)
        try:
            repository.check_push()
        except RegistryError as error:
            return error
        return None

    def _counts(self, tag: Reference, error: RegistryError) -> bool:
        """Whether a refusal is one to the engine, too."""
        missing = error.status == HTTPStatus.NOT_FOUND
        return missing or not self._own_logins or bool(self._credentials.find(tag.registry, tag.repository))

    def _failed(self, error: RegistryError) -> PushFailed:
        failed = [str(tag) for tag in self._tags]
        return PushFailed(f"{error.message}; nothing was built", pushed=(), failed=failed, hint=error.hint)


def _refuses(place: Reference, error: RegistryError) -> bool:
    if error.status == HTTPStatus.NOT_FOUND:  # on a port of this very machine something else may answer
        return not is_loopback(place.registry)
    return error.status in _REFUSED
