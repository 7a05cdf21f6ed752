"""docker-py's errors and dicts in our own types."""

from __future__ import annotations

import contextlib
import inspect
import stat
import tarfile
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3
from docker import errors as docker_errors

from incubator.core.docker_types import (
    auth_config,
    engine_errors,
    followed,
    image_info,
    insecure_registries,
    path_stat,
    raise_for,
    registry_errors,
    seconds,
    told_error,
)
from incubator.errors import BuilderError, EngineError, EngineUnreachable, RegistryError
from incubator.oci.image_config import RuntimeConfig
from incubator.oci.platform import Platform
from incubator.registry.credentials import Login


def exceptions_of(module: Any) -> list[type[Exception]]:
    """The exceptions that a module defines."""
    classes = [value for _, value in inspect.getmembers(module, inspect.isclass)]
    return [
        c
        for c in classes
        if issubclass(c, Exception) and c.__module__ == module.__name__ and not issubclass(c, Warning)
    ]


def made(cls: type[Exception]) -> Exception:
    """An instance of a foreign exception; most constructors take any text for what they want."""
    special: dict[type[Exception], tuple[Any, ...]] = {
        requests.exceptions.JSONDecodeError: ("not JSON", "{", 0),
        urllib3.exceptions.IncompleteRead: (1, 2),
        urllib3.exceptions.InvalidChunkLength: (SimpleNamespace(tell=lambda: 1, length_remaining=2), b"x"),
    }
    for arguments in (special.get(cls, ()), *(("what it said",) * count for count in range(1, 6))):
        with contextlib.suppress(TypeError, AttributeError):
            if arguments:
                return cls(*arguments)
    return cls.__new__(cls, "what it said")


FOREIGN = [
    *exceptions_of(docker_errors),
    *exceptions_of(requests.exceptions),
    # The one other speaks of a proxy's settings and is raised before any request.
    *(cls for cls in exceptions_of(urllib3.exceptions) if issubclass(cls, urllib3.exceptions.HTTPError)),
    *exceptions_of(tarfile),
]


def test_the_list_of_foreign_errors_is_not_empty() -> None:
    names = {cls.__name__ for cls in FOREIGN}
    assert {"APIError", "StreamParseError", "ContainerError", "ReadTimeout", "ProtocolError"} <= names


@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_foreign_error_is_mapped(cls: type[Exception]) -> None:
    error = made(cls)
    with pytest.raises(EngineError) as caught, engine_errors("look"):
        raise error
    assert caught.value.__cause__ is error
    assert caught.value.message.startswith("cannot look: ")
    with pytest.raises(BuilderError) as caught_too, registry_errors("push x"):
        raise error
    assert isinstance(caught_too.value, RegistryError | EngineUnreachable)
    assert caught_too.value.exit_code in (3, 4)


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectionError("no"), requests.exceptions.ReadTimeout("no"),
        requests.exceptions.ConnectTimeout("no"), urllib3.exceptions.ProtocolError("no"),
        urllib3.exceptions.ReadTimeoutError(None, "/", "no"),  # type: ignore[arg-type]
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_an_engine_that_does_not_answer_is_told_apart(error: Exception) -> None:
    for guard in (engine_errors, registry_errors):
        with (
            pytest.raises(EngineUnreachable, match="cannot look: the engine does not answer") as caught,
            guard("look"),
        ):
            raise error
        assert caught.value.exit_code == 3


def api_error(status: int, said: str | bytes | None) -> docker_errors.APIError:
    reply = requests.Response()
    reply.status_code = status
    return docker_errors.APIError("summary", response=reply, explanation=said)  # type: ignore[arg-type]


@pytest.mark.parametrize(("said", "text"), [("the reason\n", "the reason"), (b"bytes \xff", "bytes \ufffd")])
def test_the_engines_own_words_and_status_are_kept(said: str | bytes, text: str) -> None:
    with pytest.raises(EngineError) as caught, engine_errors("look"):
        raise api_error(404, said)
    assert (caught.value.message, caught.value.status) == (f"cannot look: {text}", 404)


def test_an_engine_that_says_nothing() -> None:
    with pytest.raises(EngineError, match=r"cannot look: .*500"), engine_errors("look"):
        raise api_error(500, None)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("no basic auth credentials", "docker login"),
        ("unauthorized: authentication required", "user name and the password"),
        ("denied: requested access", "user name and the password"),
        ("403 Forbidden", "user name and the password"),
        ("pull access denied for x, repository does not exist or may require 'docker login': denied", "tag"),
        ("manifest for x:1 not found: manifest unknown: manifest unknown", "tag"),
        ("toomanyrequests: You have reached your pull rate limit", "Docker Hub"),
        (
            'Get "https://x.example/v2/": dial tcp: lookup x.example on 10.0.0.1:53: no such host',
            "the engine",
        ),
        ('Get "https://x.example/v2/": dial tcp 10.0.0.2:443: connect: connection refused', "the engine"),
        ('Get "https://x.example/v2/": net/http: request canceled (Client.Timeout exceeded', "the engine"),
        ("http: server gave HTTP response to HTTPS client", "insecure-registries"),
        ("x509: certificate signed by unknown authority", "certs.d"),
        ("dial tcp 10.0.0.2:54035: connect: connection refused", "the engine"),
    ],
)
def test_what_a_registry_or_the_way_there_refuses_has_a_hint(said: str, hint: str) -> None:
    with pytest.raises(RegistryError) as caught, registry_errors("push x"):
        raise api_error(500, said)
    assert hint in str(caught.value.hint)


def test_other_words_have_none() -> None:
    with pytest.raises(RegistryError) as caught, registry_errors("push x"):
        raise api_error(500, "no space left on device")
    assert caught.value.hint is None


def test_nothing_happens_where_nothing_is_raised() -> None:
    with engine_errors("look"), registry_errors("push"):
        pass


@pytest.mark.parametrize("error", [KeyError("x"), EngineError("own"), KeyboardInterrupt()])
def test_other_errors_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, engine_errors("look"):
        raise error
    assert caught.value is error


def test_a_reply_that_is_no_success() -> None:
    reply = requests.Response()
    reply.status_code = 409
    reply._content = b'{"message": "name in use"}'
    reply.headers["Content-Type"] = "application/json"
    with pytest.raises(docker_errors.APIError) as caught:
        raise_for(reply)
    assert caught.value.explanation == "name in use"
    reply.status_code = 204
    raise_for(reply)


# -- progress ---------------------------------------------------------------------------------------------


def test_bytes_of_all_layers_are_added_up() -> None:
    lines: list[dict[str, Any]] = [
        {"status": "Pulling"},
        {"id": "a", "progressDetail": {"current": 1, "total": 10}},
        {"id": "b", "progressDetail": {"current": 2, "total": 20}},
        {"id": "b", "progressDetail": {}},
        {"id": "a", "progressDetail": {"current": 10, "total": 10}},
        {"id": "c", "progressDetail": {"total": 5}},
        {"id": "c", "progressDetail": None},
        {"aux": {"Digest": "sha256:x"}},
    ]
    told: list[tuple[int, int | None]] = []
    assert list(followed(lines, lambda done, total: told.append((done, total)))) == lines
    assert told == [(1, 10), (3, 30), (12, 30), (12, 35)]


def test_a_layer_that_is_pushed_counts_as_a_whole_and_one_that_was_there_not_at_all() -> None:
    """Lines as Docker Engine 20.10 writes them: it seldom tells the last bytes."""
    lines: list[dict[str, Any]] = [
        {"id": "a", "status": "Preparing", "progressDetail": {}},
        {"id": "b", "status": "Layer already exists", "progressDetail": {}},
        {"id": "a", "status": "Pushing", "progressDetail": {"current": 3, "total": 10}},
        {"id": "c", "status": "Mounted from x/y", "progressDetail": {}},
        {"id": "a", "status": "Pushed", "progressDetail": {}},
        {"id": "d", "status": "Pushed", "progressDetail": {}},
        {"id": "e", "status": "Pushing", "progressDetail": {"current": 5, "total": 5}},
        {"id": "e", "status": "Pushed", "progressDetail": {}},
    ]
    told: list[tuple[int, int | None]] = []
    assert list(followed(lines, lambda done, total: told.append((done, total)))) == lines
    assert told == [(3, 10), (10, 10), (15, 15)]


def test_an_error_line_ends_a_transfer() -> None:
    lines: list[dict[str, Any]] = [{"status": "x"}, {"error": "denied: no\n"}, {"status": "never"}]
    seen: list[dict[str, Any]] = []
    with pytest.raises(RegistryError, match=r"^cannot push x: denied: no"), registry_errors("push x"):
        seen.extend(followed(lines, lambda *_: None))
    assert seen == lines[:1]


# -- dicts ------------------------------------------------------------------------------------------------


def test_a_login_as_engines_take_it() -> None:
    login = Login(username="u", password="p")
    assert auth_config("docker.io", None) == {}
    assert auth_config("docker.io", login) == {
        "username": "u",
        "password": "p",
        "serveraddress": "https://index.docker.io/v1/",
    }
    assert auth_config("r:5000", login)["serveraddress"] == "r:5000"
    assert auth_config("r:5000", Login(identity_token="long")) == {
        "identitytoken": "long",
        "serveraddress": "r:5000",
    }


def test_an_image() -> None:
    info = image_info({
        "Id": "sha256:aa", "Os": "linux", "Architecture": "arm", "Variant": "v7", "Created": "2020", "Author": "me",
        "Size": 7, "Config": {"Cmd": ["x"], "Env": None}, "RootFS": {"Type": "layers", "Layers": ["sha256:1"]},
    })  # fmt: skip
    assert (info.id, info.size_bytes) == ("sha256:aa", 7)
    assert info.config.platform == Platform(os="linux", architecture="arm", variant="v7")
    assert info.config.config == RuntimeConfig(cmd=("x",))
    assert (info.config.diff_ids, info.config.created, info.config.author) == (("sha256:1",), "2020", "me")
    assert info.config.history == ()


def test_an_image_that_leaves_things_out() -> None:
    info = image_info(
        {"Id": "aa", "Architecture": "amd64", "RootFS": {"Type": "layers"}, "Config": None, "Size": None}
    )
    assert info.id == "sha256:aa"
    assert info.config.platform == Platform(os="linux", architecture="amd64")
    assert info.config.diff_ids == ()


@pytest.mark.parametrize(
    ("mode", "kind", "bits"),
    [
        (0o644, "file", 0o644), (1 << 31 | 0o755, "dir", 0o755), (1 << 27 | 0o777, "symlink", 0o777),
        (1 << 23 | 0o755, "file", stat.S_ISUID | 0o755), (1 << 22 | 0o755, "file", stat.S_ISGID | 0o755),
        (1 << 31 | 1 << 20 | 0o777, "dir", stat.S_ISVTX | 0o777), (1 << 26 | 0o600, "other", 0o600),
        (1 << 26 | 1 << 21 | 0o600, "other", 0o600), (1 << 25 | 0o600, "other", 0o600), (1 << 24, "other", 0),
        (1 << 19, "other", 0),
    ],
)  # fmt: skip
def test_gos_file_modes(mode: int, kind: str, bits: int) -> None:
    found = path_stat({"name": "x", "size": 3, "mode": mode, "linkTarget": "/t"})
    assert (found.kind, found.mode, found.size, found.link_target) == (kind, bits, 3, "/t")


def test_a_path_without_a_target() -> None:
    assert path_stat({"mode": 0o644, "linkTarget": None}).link_target == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:01Z", 1.0), ("1970-01-01T00:00:01.5Z", 1.5), ("1970-01-01T00:00:01.123456789Z", 1.123456),
        ("1970-01-01T01:00:00.000000001+01:00", 0.0),
    ],
)  # fmt: skip
def test_times_with_nanoseconds(text: str, value: float) -> None:
    assert seconds(text) == value


def test_an_error_in_a_stream() -> None:
    line = '{"errorDetail":{"message":"no space left"},"error":"write /x: no space left on device"}'
    assert told_error(f'{{"stream":"Loading"}}\n{line}\n') == "write /x: no space left on device"
    assert told_error(" something else\n") == "something else"
    assert told_error('[1]\n"text"') == '[1]\n"text"'


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, set()),
        ({}, set()),
        ({"IndexConfigs": None, "InsecureRegistryCIDRs": None}, set()),
        (
            {
                "IndexConfigs": {"docker.io": {"Secure": True}, "registry.test:5000": {"Secure": False}},
                "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            },
            {"registry.test:5000", "127.0.0.0/8"},
        ),
        ({"IndexConfigs": {"a.test": {}}}, set()),
    ],
)
def test_an_engine_s_configuration_names_insecure_registries(config: Any, expected: set[str]) -> None:
    assert insecure_registries({"RegistryConfig": config}) == expected
    assert insecure_registries({}) == set()
