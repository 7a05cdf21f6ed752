"""Logins from where docker and Podman keep them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from incubator.errors import InputError, RegistryError
from incubator.registry.credentials import Credentials, Login
from incubator.request import Credential

HOST = "registry.example:5000"


def packed(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def from_docker(folder: Path, content: Any, **environ: str) -> Credentials:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return Credentials(environ={"DOCKER_CONFIG": str(folder), **environ})


def helper(folder: Path, name: str, script: str) -> str:
    """A credential helper; the PATH in which it is found."""
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.defpath}"


def test_what_is_given_comes_first_and_needs_no_file(tmp_path: Path) -> None:
    given = [Credential(registry=HOST, username="me", password="mine")]
    (tmp_path / "config.json").write_text("not read")
    credentials = Credentials(given, environ={"DOCKER_CONFIG": str(tmp_path)})
    assert credentials.find(HOST) == Login(username="me", password="mine")
    assert Credentials(given).find("other.example") is None


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        ({"auth": packed("me", "a:b")}, Login(username="me", password="a:b")),
        ({"auth": packed("me", "pässword\0\0")}, Login(username="me", password="pässword")),
        ({"username": "me", "password": "mine"}, Login(username="me", password="mine")),
        ({"auth": packed("me", "mine"), "identitytoken": "long"}, Login(identity_token="long")),
        ({"auth": packed("<token>", "long")}, Login(identity_token="long")),
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": "not base64!"}, None),
        ({"auth": 5}, None),
        ("text", None),
    ],
)
def test_an_entry_has_several_shapes(entry: Any, login: Login | None, tmp_path: Path) -> None:
    assert from_docker(tmp_path, {"auths": {HOST: entry}}).find(HOST) == login


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"http://{HOST}/v2/", f"{HOST}/v1/", HOST.upper()])
def test_old_keys_are_addresses(key: str, tmp_path: Path) -> None:
    assert from_docker(tmp_path, {"auths": {key: {"auth": packed("me", "mine")}}}).find(HOST)


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_the_hub_has_an_old_key(key: str, tmp_path: Path) -> None:
    credentials = from_docker(tmp_path, {"auths": {key: {"auth": packed("me", "mine")}}})
    assert credentials.find("docker.io") == Login(username="me", password="mine")
    assert credentials.find("example.io") is None


def test_podman_s_longest_name_counts(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    names = (HOST, f"{HOST}/team", f"{HOST}/team/project")
    path.write_text(json.dumps({"auths": {name: {"auth": packed("me", name)} for name in names}}))
    credentials = Credentials(environ={"REGISTRY_AUTH_FILE": str(path)})
    for repository, name in {
        "team/project": names[2],
        "team/project/image": names[2],
        "team/projects": names[1],
        "teams/project": names[0],
        "": names[0],
    }.items():
        login = credentials.find(HOST, repository)
        assert login
        assert login.password == name


def test_files_are_looked_through_in_order(tmp_path: Path) -> None:
    files = {
        "REGISTRY_AUTH_FILE": tmp_path / "named.json",
        "DOCKER_CONFIG": tmp_path / "docker" / "config.json",
        "XDG_RUNTIME_DIR": tmp_path / "run" / "containers" / "auth.json",
        "HOME": tmp_path / "home" / ".config" / "containers" / "auth.json",
    }
    environ = {
        "REGISTRY_AUTH_FILE": str(files["REGISTRY_AUTH_FILE"]),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "HOME": str(tmp_path / "home"),
    }
    assert Credentials(environ=environ).find(HOST) is None
    for name in reversed(files):
        files[name].parent.mkdir(parents=True, exist_ok=True)
        files[name].write_text(json.dumps({"auths": {HOST: {"auth": packed(name, "x")}}}))
        login = Credentials(environ=environ).find(HOST)
        assert login
        assert login.username == name


def test_docker_s_file_is_in_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(
        json.dumps({"auths": {HOST: {"auth": packed("me", "x")}}})
    )
    assert Credentials(environ={"HOME": str(tmp_path)}).find(HOST)


@pytest.mark.parametrize("content", ["", "{}", '{"auths": null}', '{"auths": []}', '{"credHelpers": 5}'])
def test_a_file_may_say_nothing(content: str, tmp_path: Path) -> None:
    assert from_docker(tmp_path, content).find(HOST) is None


@pytest.mark.parametrize("content", ["{", "[]", "null", '"secret"', "[" * 100_000])
def test_a_file_that_is_none_is_told_without_what_it_holds(content: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no object") as caught:
        from_docker(tmp_path, content).find(HOST)
    assert str(tmp_path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(InputError, match="cannot read the logins"):
        Credentials(environ={"DOCKER_CONFIG": str(tmp_path)}).find(HOST)


def test_a_helper_is_asked_once_for_its_registry(tmp_path: Path) -> None:
    path = helper(tmp_path, "some", f'cat >> {tmp_path}/asked; printf \'{{"Username":"me","Secret":"its"}}\'')
    credentials = from_docker(tmp_path, {"credHelpers": {HOST: "some"}}, PATH=path)
    assert credentials.find(HOST) == credentials.find(HOST) == Login(username="me", password="its")
    assert credentials.find("other.example") is None
    assert (tmp_path / "asked").read_text() == HOST


def test_the_store_is_asked_for_all_and_knows_the_hub_by_its_old_key(tmp_path: Path) -> None:
    path = helper(
        tmp_path, "all", f'cat >> {tmp_path}/asked; printf \'{{"Username":"<token>","Secret":"long"}}\''
    )
    credentials = from_docker(tmp_path, {"credsStore": "all"}, PATH=path)
    assert credentials.find("docker.io") == Login(identity_token="long")
    assert (tmp_path / "asked").read_text() == "https://index.docker.io/v1/"


def test_where_a_helper_knows_nothing_the_file_may(tmp_path: Path) -> None:
    path = helper(tmp_path, "none", "echo credentials not found in native keychain; exit 1")
    content = {"credsStore": "none", "auths": {HOST: {"auth": packed("me", "mine")}}}
    credentials = from_docker(tmp_path, content, PATH=path)
    assert credentials.find(HOST) == Login(username="me", password="mine")
    assert credentials.find("other.example") is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo secret; echo secret >&2; exit 3", "exit status 3"),
        ("echo secret", "holds no login"),
        ('echo \'{"Username": "me", "Secret": null, "x": "secret"}\'', "holds no login"),
    ],
)
def test_a_helper_that_fails_is_told_without_its_words(script: str, words: str, tmp_path: Path) -> None:
    path = helper(tmp_path, "bad", script)
    with pytest.raises(RegistryError, match=words) as caught:
        from_docker(tmp_path, {"credsStore": "bad"}, PATH=path).find(HOST)
    assert "docker-credential-bad" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["not-there", "../../bin/sh", "a b", "-x"])
def test_a_helper_that_is_none_is_told(name: str, tmp_path: Path) -> None:
    credentials = from_docker(tmp_path, {"credsStore": name}, PATH=os.defpath)
    with pytest.raises(RegistryError, match="no such program"):
        credentials.find(HOST)


def test_a_helper_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    path = helper(tmp_path, "slow", "exec sleep 600")
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "slow"}))
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": path}
    with pytest.raises(RegistryError, match=r"no answer after 0.2 s"):
        Credentials(environ=environ, helper_timeout_s=0.2).find(HOST)


def test_no_secret_is_shown_by_accident() -> None:
    shown = repr(Login(username="me", password="mine", identity_token="long"))
    assert "mine" not in shown
    assert "long" not in shown
