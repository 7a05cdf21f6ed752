"""Logins to several registries, as docker/login-action writes them."""

from __future__ import annotations

import pytest

from incubator.ci.raw import secret_values
from incubator.ci.registry_auth import parse_registry_auth, passwords_in
from incubator.errors import InputErrors
from tests.unit.ci.test_inputs import faults, read

SECRET = "s3cr3t-t0ken"
TWO = f"""\
- username: hub-bot
  password: {SECRET}-1
- registry: ghcr.io
  username: bot
  password: "{SECRET}-2"
  ecr: auto
"""


def test_logins_of_several_registries() -> None:
    found = read(registry_auth=TWO).credentials
    assert [(entry.registry, entry.username, entry.password) for entry in found] == [
        ("docker.io", "hub-bot", f"{SECRET}-1"),
        ("ghcr.io", "bot", f"{SECRET}-2"),
    ]
    assert SECRET not in repr(read(registry_auth=TWO))


def test_every_password_is_masked_and_no_other_word() -> None:
    assert secret_values({"INPUT_REGISTRY-AUTH": TWO}, "github") == (f"{SECRET}-1", f"{SECRET}-2")
    environ = {"INCUBATOR_REGISTRY_AUTH": "component:$LOGINS", "LOGINS": TWO}
    assert secret_values(environ, "gitlab") == (f"{SECRET}-1", f"{SECRET}-2")


@pytest.mark.parametrize(
    "text", [f"- {{password: {SECRET}", f"password: '{SECRET}'", f'- password: "{SECRET}"\n :']
)
def test_passwords_are_masked_also_where_the_list_is_none(text: str) -> None:
    assert SECRET in " ".join(passwords_in(text))


def test_all_faults_come_together_without_a_password() -> None:
    found = faults(
        registry_auth=f"""\
- {{registry: ghcr.io/acme, username: a, password: {SECRET}}}
- {{regstry: ghcr.io, username: a, password: {SECRET}}}
- {{username: a, scope: "acme/web@push", password: 12}}
- {SECRET}
- {{username: a, password: {SECRET}, ecr: true}}
- {{registry: ghcr.io, username: a, password: {SECRET}}}
- {{registry: ghcr.io, username: b, password: {SECRET}}}
"""
    )
    expected = [
        "entry 1: 'ghcr.io/acme' is not a host",
        "entry 2: unknown key 'regstry'\nhint: did you mean registry?",
        "entry 3: scope is not supported",
        "entry 3: password is no text\nhint: put the value in quotes",
        "entry 4: it is no object",
        "entry 5: ecr is not supported",
        "entry 7: ghcr.io has a login above",
    ]
    assert len(found) == len(expected)
    for fault, words in zip(found, expected, strict=True):
        assert fault.startswith(f"input registry-auth: {words}")
    assert SECRET not in "\n".join(found)


@pytest.mark.parametrize(
    ("text", "words"), [("{a: b}", "it is no list"), (f"- [\n{SECRET}: {{", "line 2: it is no YAML")]
)
def test_what_is_no_list(text: str, words: str) -> None:
    [fault] = faults(registry_auth=text)
    assert words in fault
    assert SECRET not in fault


def test_it_does_not_go_with_a_single_login() -> None:
    [fault] = faults(registry_auth=TWO, username="a", password="b")
    assert "does not go with registry, username and password" in fault


def test_an_entry_without_values_is_missed_by_a_push_alone() -> None:
    text = f"- username: \n  password: \n- {{registry: ghcr.io, username: bot, password: {SECRET}}}\n"
    assert [entry.registry for entry in read(registry_auth=text).credentials] == ["ghcr.io"]
    [fault] = faults(registry_auth=text, push="true")
    assert fault.startswith(
        "input registry-auth: entry 1: username and password are empty\nhint: secrets are empty"
    )
    [fault] = faults(registry_auth="- {registry: ghcr.io, username: bot}")
    assert "entry 1: password is missing" in fault


def test_an_empty_list_is_no_login() -> None:
    assert parse_registry_auth("[]") == ()
    with pytest.raises(InputErrors):
        parse_registry_auth("- {username: '', password: x}")


def test_the_job_of_gitlab_keeps_its_own_login_beside_the_list() -> None:
    job = {"CI_REGISTRY": "registry.example", "CI_REGISTRY_USER": "job", "CI_REGISTRY_PASSWORD": "x"}
    names = [entry.registry for entry in read("gitlab", registry_auth=TWO, **job).credentials]
    assert names == ["docker.io", "ghcr.io", "registry.example"]
    other = job | {"CI_REGISTRY": "ghcr.io"}
    found = read("gitlab", registry_auth=TWO, **other).credentials
    assert [(entry.registry, entry.username) for entry in found] == [
        ("docker.io", "hub-bot"),
        ("ghcr.io", "bot"),
    ]
