"""Whom connections trust. For Linux, 0.0.0.0 leads to this machine too, and by its name it is no loopback address."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from incubator.errors import RegistryError
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from tests.unit.registry.serving import SHORT, Answer, Asked, Serving, serving

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

KEYS = Path(__file__).parents[2] / "data" / "tls"
"""A certificate for 0.0.0.0, which is its own authority, and its key. Made for a hundred years by

    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.crt \
      -days 36500 -subj "/CN=incubator tests" -addext subjectAltName=IP:0.0.0.0 \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,digitalSignature,keyCertSign \
      -addext extendedKeyUsage=serverAuth,clientAuth
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


def server_context(*, client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(KEYS / "server.crt", KEYS / "server.key")
    if client:
        context.load_verify_locations(KEYS / "server.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def answer(_: Asked) -> Answer:
    return Answer()


@pytest.fixture
def server() -> Iterator[Serving]:
    with serving(answer, tls=server_context()) as found:
        yield found


def named(server: Serving) -> str:
    return server.address.replace("127.0.0.1", "0.0.0.0")


def check(registry: str, certificates: Path, *, insecure: Collection[str] = ()) -> None:
    login = Credential(registry=registry, username="me", password="secret")
    with Registries(
        Credentials([login]), insecure=insecure, patience=SHORT, certificates=certificates
    ) as registries:
        registries.check_login(registry)


def test_a_certificate_of_nobody_known_is_refused_with_a_hint(server: Serving, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"certificate of 0\.0\.0\.0:.* is not trusted") as caught:
        check(named(server), tmp_path)
    assert "SSL_CERT_FILE" in (caught.value.hint or "")
    assert "_ssl" not in caught.value.message
    assert server.asked == []


def test_the_authority_in_a_registry_s_folder_is_trusted(server: Serving, tmp_path: Path) -> None:
    folder = tmp_path / named(server)
    folder.mkdir()
    shutil.copy(KEYS / "server.crt", folder / "ca.crt")
    check(named(server), tmp_path)
    assert [asked.path for asked in server.asked] == ["/v2/"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_authority_that_a_variable_names_is_trusted(
    variable: str, server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(KEYS / "server.crt"))
    check(named(server), tmp_path)


def test_another_registry_s_authority_is_not_trusted(server: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "registry.example"
    folder.mkdir()
    shutil.copy(KEYS / "server.crt", folder / "ca.crt")
    with pytest.raises(RegistryError, match="is not trusted"):
        check(named(server), tmp_path)


def test_a_client_s_certificate_is_shown(tmp_path: Path) -> None:
    with serving(answer, tls=server_context(client=True)) as server:
        folder = tmp_path / named(server)
        folder.mkdir()
        shutil.copy(KEYS / "server.crt", folder / "ca.crt")
        shutil.copy(KEYS / "server.crt", folder / "client.cert")
        shutil.copy(KEYS / "server.key", folder / "client.key")
        check(named(server), tmp_path)
        assert len(server.asked) == 1


def test_a_certificate_that_is_none_is_told_with_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "registry.example"
    folder.mkdir()
    (folder / "ca.crt").write_text("nothing")
    with pytest.raises(RegistryError, match=r"registry.example/ca.crt"):
        check("registry.example", tmp_path)


def test_plain_http_is_only_for_registries_that_are_named(tmp_path: Path) -> None:
    with serving(answer) as server:
        with pytest.raises(RegistryError, match="does not speak TLS") as caught:
            check(named(server), tmp_path)
        assert "insecure" in (caught.value.hint or "")
        assert server.asked == []
        check(named(server), tmp_path, insecure={named(server)})
        assert len(server.asked) == 1


def test_a_registry_that_leads_from_tls_to_plain_http_is_not_followed(tmp_path: Path) -> None:
    with serving(answer) as other:
        location = {"Location": f"http://{other.address}/v2/"}
        with serving(lambda _: Answer(status=307, headers=location), tls=server_context()) as server:
            folder = tmp_path / named(server)
            folder.mkdir()
            shutil.copy(KEYS / "server.crt", folder / "ca.crt")
            with pytest.raises(RegistryError, match="from TLS to plain HTTP"):
                check(named(server), tmp_path)
        assert other.asked == []
