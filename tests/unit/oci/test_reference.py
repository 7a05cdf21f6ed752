"""References against the distribution project's grammar, and the engine's normal form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.errors import InputError
from incubator.oci.reference import Reference, is_loopback, parse_reference

HEX = "e258d248fda94c63753607f7c4494ee0fcbe92f1a76bfdac795c9d84101eb317"
DIGEST = f"sha256:{HEX}"


def full(reference: Reference) -> str:
    tag = f":{reference.tag}" if reference.tag else ""
    digest = f"@{reference.digest}" if reference.digest else ""
    return f"{reference.registry}/{reference.repository}{tag}{digest}"


@pytest.mark.parametrize(
    ("text", "normal", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("docker.io/library/busybox:1", "docker.io/library/busybox:1", "busybox:1"),
        ("library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("user/app:v1", "docker.io/user/app:v1", "user/app:v1"),
        ("a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"),
        ("ghcr.io/o/app", "ghcr.io/o/app:latest", "ghcr.io/o/app:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest", "127.0.0.1:5000/a/b:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("[2001:db8::1]/app:2", "[2001:db8::1]/app:2", "[2001:db8::1]/app:2"),
        ("HOST/app", "HOST/app:latest", "HOST/app:latest"),
        ("xn--n3h.com/app", "xn--n3h.com/app:latest", "xn--n3h.com/app:latest"),
        ("test:5000/app", "test:5000/app:latest", "test:5000/app:latest"),
        ("test:5000", "docker.io/library/test:5000", "test:5000"),
        ("a__b/c--d.e_f:T-1._", "docker.io/a__b/c--d.e_f:T-1._", "a__b/c--d.e_f:T-1._"),
        ("a---b", "docker.io/library/a---b:latest", "a---b:latest"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}", f"app@{DIGEST}"),
        (f"app:1@{DIGEST}", f"docker.io/library/app:1@{DIGEST}", f"app:1@{DIGEST}"),
        (f"h:1/app:1@{DIGEST}", f"h:1/app:1@{DIGEST}", f"h:1/app:1@{DIGEST}"),
        (f"app@sha512:{HEX}{HEX}", f"docker.io/library/app@sha512:{HEX}{HEX}", f"app@sha512:{HEX}{HEX}"),
        (f"app:{'t' * 128}", f"docker.io/library/app:{'t' * 128}", f"app:{'t' * 128}"),
        (HEX[:12], f"docker.io/library/{HEX[:12]}:latest", f"{HEX[:12]}:latest"),
    ],
)
def test_normal_forms(text: str, normal: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert full(reference) == normal
    assert str(reference) == familiar
    assert parse_reference(familiar) == parse_reference(normal) == reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'library/' is not a repository name"), ("Busybox", "'library/Busybox' is not a repository name"),
        ("host.io/App", "'App' is not a repository name"), ("a/B", "'a/B' is not a repository name"),
        ("-a", "'library/-a' is not a repository name"), ("a-", "'library/a-' is not a repository name"),
        ("a..b", "not a repository name"), ("a___b", "not a repository name"), ("a._b", "not a repository name"),
        ("a//b", "not a repository name"), ("a/", "not a repository name"), ("host.io/", "not a repository name"),
        ("a b", "not a repository name"), ("a\n", "not a repository name"), ("é", "not a repository name"),
        ("a:", "'' is not a tag"), ("a:-x", "'-x' is not a tag"), ("a:.x", "'.x' is not a tag"), ("a:x/y z", "not a"),
        ("a:b:c", "'b:c' is not a tag"), ("a:ü", "is not a tag"), (f"a:{'t' * 129}", "is not a tag"),
        ("a:x\n", "is not a tag"),
        ("a@", "'' is not a digest"), ("a@sha256:abc", "'sha256:abc' is not a digest"),
        (f"a@{DIGEST.upper()}", "is not a digest"), (f"a@sha256:{HEX.upper()}", "is not a digest"),
        (f"a@{DIGEST}@{DIGEST}", "is not a digest"), (f"a@md5:{HEX[:32]}", "is not a digest"),
        (f"a@{DIGEST}:tag", "is not a digest"),
        ("host_x.io/a", "'host_x.io' is not a registry"), ("-h.io/a", "is not a registry"),
        ("h.io:/a", "is not a registry"),
        ("h:x/a", "'h:x' is not a registry"), ("[::1/a", "is not a registry"), ("h..io/a", "is not a registry"),
        ("https://h.io/a", "'https:' is not a registry"),
        (f"h.io/{'a' * 251}", "the name is longer than 255 characters"),
        ("a" * 250, "longer than 255"),
    ],
)  # fmt: skip
def test_what_is_no_reference_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference(text)
    assert caught.value.message.startswith(f"invalid reference {text!r}: ")
    assert message in caught.value.message


def test_credentials_in_a_reference_are_shown_to_nobody() -> None:
    with pytest.raises(InputError, match="cannot hold a user name and password") as caught:
        parse_reference("user:pass@h.io/a")
    assert "pass@" not in str(caught.value)


def test_the_longest_name() -> None:
    assert len(parse_reference(f"h.io/{'a' * 250}").repository) == 250


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("App", "lower case"),
        ("ghcr.io/Acme/Web:1.0", "lower case, as in acme/web"),
        ("a b", "separated by"),
        ("a:.b", "up to 128"),
        ("a:", "the tag is missing: a variable in it may be empty"),
        ("a@x", "sha256:<64 hex digits>"),
        (":1.0", "a variable in it may be empty"),
        ("/web:1.0", "a variable in it may be empty"),
        ("h.io//web", "a variable in it may be empty"),
        ("h.io/a/:1.0", "a variable in it may be empty"),
        ("h.io/a:feature/x", "a tag cannot hold a /"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference(text)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("registry", "here"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1:1", True), ("127.8.9.10", True),
        ("[::1]:5000", True),
        ("localhost.io", False), ("127.0.0.1.io", False), ("xlocalhost", False), ("127.0.0", False),
        ("docker.io", False),
        ("10.0.0.1:5000", False), ("", False),
    ],
)  # fmt: skip
def test_registries_on_this_machine(registry: str, *, here: bool) -> None:
    assert is_loopback(registry) is here


COMPONENT = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+){0,2}", fullmatch=True).filter(
    lambda text: len(text) < 30
)
PATH = st.lists(COMPONENT, min_size=1, max_size=3).map("/".join)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
DOMAIN = st.builds(
    "{}.{}{}".format, LABEL, LABEL, st.just("") | st.integers(1, 65535).map(":{}".format)
) | st.sampled_from(["localhost", "localhost:5000", "[::1]:5000", "h:1"])
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}")


@settings(max_examples=80)
@given(st.none() | DOMAIN, PATH, st.none() | TAG, st.none() | DIGESTS)
def test_text_and_back(domain: str | None, path: str, tag: str | None, digest: str | None) -> None:
    if not domain and "/" in path:  # its beginning must not look like a registry
        path = path.replace(".", "-").replace("localhost", "local")
    text = "".join(
        [f"{domain}/" if domain else "", path, f":{tag}" if tag else "", f"@{digest}" if digest else ""]
    )
    reference = parse_reference(text)
    assert reference.tag == (tag or (None if digest else "latest"))
    assert reference.digest == digest
    if domain:
        assert (reference.registry, reference.repository) == (domain, path)
    else:
        assert path in (f"{reference.registry}/{reference.repository}", reference.repository, reference.name)
    assert parse_reference(str(reference)) == reference
    assert parse_reference(full(reference)) == reference


@settings(max_examples=100)
@given(st.text("aA0.:/@_-[] \n", max_size=16))
def test_any_text_is_a_reference_or_bad_input(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InputError:
        return
    assert parse_reference(str(reference)) == reference
    assert not set(str(reference)) & set(" \n")
