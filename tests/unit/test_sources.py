import bz2
import gzip
import io
import lzma
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from incubator.dockerfile import Source
from incubator.errors import DockerfileErrors, InputErrors
from incubator.faults import Faults
from incubator.sources import LARGEST_DOCKERFILE_BYTES, EmptyContext, Place, is_archive, open_sources, peek


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a secret beside it."""
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "secret").write_text("FROM secret")
    monkeypatch.chdir(folder)
    return folder


def put(path: str, text: str = "FROM scratch\n") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def read(**place: Any) -> Source:
    source, context = open_sources(Place(**place), memory_limit=None, faults=Faults())
    context.close()
    return source


def fault(**place: Any) -> str:
    with pytest.raises(InputErrors) as caught:
        read(**place)
    return str(caught.value)


def tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_the_dockerfile_of_a_folder(here: Path) -> None:
    put("Dockerfile")
    put("sub/Dockerfile", "FROM sub\n")
    put("lower/dockerfile", "FROM lower\n")
    assert read(path=".") == Source("Dockerfile", "FROM scratch\n")
    assert read(path="sub") == Source("sub/Dockerfile", "FROM sub\n")
    assert read(path=Path("./sub/")) == Source("sub/Dockerfile", "FROM sub\n")
    assert read(path=str(here / "sub")) == Source(f"{here}/sub/Dockerfile", "FROM sub\n")
    assert read(path="lower") == Source("lower/dockerfile", "FROM lower\n")


def test_a_dockerfile_by_name(here: Path) -> None:
    put("sub/docker/Dockerfile.dev", "FROM dev\n")
    put("Dockerfile.dev", "FROM here\n")
    assert read(path="sub", dockerfile="docker/Dockerfile.dev") == Source(
        "sub/docker/Dockerfile.dev", "FROM dev\n"
    )
    assert read(path="sub", dockerfile="../Dockerfile.dev") == Source("Dockerfile.dev", "FROM here\n")
    assert read(path="sub", dockerfile=f"{here}/Dockerfile.dev").text == "FROM here\n"
    assert read(path="sub", dockerfile="./Dockerfile.dev", dockerfile_from="here") == Source(
        "Dockerfile.dev", "FROM here\n"
    )


def test_names_below_the_workspace_are_relative_to_it(here: Path) -> None:
    put("sub/Dockerfile")
    assert read(path=here / "sub", workspace=here).name == "sub/Dockerfile"
    assert read(
        path=here, dockerfile=here / "sub/Dockerfile", dockerfile_from="here", workspace=here
    ).name == ("sub/Dockerfile")


@pytest.mark.usefixtures("here")
def test_bytes_stay_as_they_are() -> None:
    Path("Dockerfile").write_bytes("\ufeffFROM scratch\r\nLABEL a=ü\r\n".encode())
    assert read(path=".").text == "\ufeffFROM scratch\r\nLABEL a=ü\r\n"


@pytest.mark.usefixtures("here")
def test_context_faults() -> None:
    put("app/Dockerfile")
    put("file.tar", tar({"a": b""}).decode("latin-1"))
    assert "context 'ap' does not exist\nhint: did you mean app?" in fault(path="ap")
    assert "context '' does not exist" in fault(path="")
    assert "no/where' does not exist" in fault(path="no/where")
    message = fault(path="app/Dockerfile", file_option="-f ")
    assert "context 'app/Dockerfile' is not a folder" in message
    assert "name its folder 'app' as the context, and the file itself with -f app/Dockerfile" in message
    assert "'Dockerfile' is not in the context" in fault(path="file.tar")
    for url in ("https://h/b.git?reff=x", "git@host:a/b#-x", "http:///y.tar"):
        assert fault(path=url)


@pytest.mark.usefixtures("here")
def test_a_tar_file_is_a_context() -> None:
    put("file.tar", tar({"a": b"1", "Dockerfile": b"FROM tar\n", "other": b"FROM other\n"}).decode("latin-1"))
    source, context = open_sources(Place(path="file.tar"), memory_limit=None, faults=Faults())
    assert (source.text, [entry.path for entry in context.walk(context.resolve("a")[0])]) == (
        "FROM tar\n",
        [""],
    )
    context.close()
    source, context = open_sources(
        Place(path="file.tar", dockerfile="other", dockerfile_from="here"), memory_limit=None, faults=Faults()
    )
    assert source.text == "FROM other\n"
    context.close()


@pytest.mark.usefixtures("here")
def test_a_missing_dockerfile_names_those_nearby() -> None:
    assert "no Dockerfile was found in '.'; name one with dockerfile=..." in fault(path=".")
    put("docker/Dockerfile")
    put("Dockerfile.dev")
    put("web.dockerfile")
    put("docker/deep/Dockerfile")
    put(".git/Dockerfile")
    message = fault(path=".", file_option="-f ")
    assert message == (
        "Dockerfile 'Dockerfile' does not exist\n"
        "hint: did you mean -f docker/Dockerfile? there is also Dockerfile.dev, web.dockerfile"
    )
    assert "did you mean dockerfile=Dockerfile.dev?" in fault(path=".", dockerfile="Dokerfile.dv")
    put("ctx/Dockerfile.prod")
    message = fault(path="ctx", dockerfile="Dockerfile.prod", dockerfile_from="here", file_option="-f ")
    assert "did you mean -f ctx/Dockerfile.prod?" in message


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("path", ["workspace", "workspace/services/web"])
def test_a_workspace_into_which_nothing_was_checked_out(path: str) -> None:
    put("Dockerfile")
    Path("workspace").mkdir()
    message = fault(path=path, workspace=Path("workspace").resolve(), dockerfile_from="here")
    assert "does not exist" in message
    assert message.endswith(
        "hint: the workspace is empty: check the repository out in a step before (actions/checkout)"
    )


@pytest.mark.usefixtures("here")
def test_what_is_no_readable_file() -> None:
    put("Dockerfile/inner")
    assert (
        "Dockerfile 'Dockerfile' is a folder\nhint: name the file: dockerfile=Dockerfile/Dockerfile"
        in fault(path=".")
    )
    put("latin", "x")
    Path("latin").write_bytes(b"FROM a\nLABEL x=\xe4\n")
    assert "Dockerfile 'latin', line 2: not UTF-8" in fault(path=".", dockerfile="latin")
    assert "is not a regular file" in fault(path=".", dockerfile="/dev/zero")
    with Path("large").open("wb") as file:
        file.truncate(LARGEST_DOCKERFILE_BYTES + 1)
    assert "is larger than" in fault(path=".", dockerfile="large")


@pytest.mark.usefixtures("here")
def test_a_pipe_may_be_named() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"FROM scratch\n")
    os.close(writer)
    assert read(path=".", dockerfile=f"/dev/fd/{reader}").text == "FROM scratch\n"
    os.close(reader)


def test_links_do_not_leave_the_workspace(here: Path) -> None:
    put("real/Dockerfile", "FROM real\n")
    put("ctx/file")
    Path("ctx/Dockerfile").symlink_to("../real/Dockerfile")
    assert read(path="ctx").text == "FROM real\n"  # inside the current folder
    Path("ctx/out").symlink_to("../../secret")
    for name in ("out", f"{here}/ctx/out", "./x/../out"):
        message = fault(path="ctx", dockerfile=name)
        assert "leads out of the workspace" in message
        assert "FROM secret" not in message
    Path("way").symlink_to("..")
    assert "leads out of the workspace" in fault(path=".", dockerfile="way/secret")
    assert (
        read(path=".", dockerfile="../secret").text == "FROM secret"
    )  # named by the caller, not by the checkout
    assert "leads out of the workspace" in fault(path=here / "way", workspace=here)
    assert "leads out of the workspace" in fault(
        path="ctx", dockerfile=here / "ctx/Dockerfile", workspace=here / "ctx"
    )


@pytest.mark.usefixtures("here")
def test_ignore_files() -> None:
    put("Dockerfile")
    put("app.Dockerfile")
    put("a")
    put("b")
    put(".dockerignore", "a\n")
    put("app.Dockerfile.dockerignore", "b\n")
    for dockerfile, kept in ((None, "b"), ("app.Dockerfile", "a")):
        _, context = open_sources(Place(path=".", dockerfile=dockerfile), memory_limit=None, faults=Faults())
        assert [match.path for match in context.resolve("[ab]")] == [kept]
        context.close()


@pytest.mark.usefixtures("here")
def test_faults_of_the_dockerfile_and_of_the_ignore_file_come_together() -> None:
    put("Dockerfile", "FROM scratch\nRUNN x\nCOPYY y z\n")
    put(".dockerignore", "[\n")
    with pytest.raises(InputErrors) as caught:
        read(path=".")
    assert len(caught.value.errors) == 2
    assert any(isinstance(error, DockerfileErrors) for error in caught.value.errors)
    assert "Dockerfile:2:1" in str(caught.value)
    assert "Dockerfile:3:1" in str(caught.value)
    assert ".dockerignore" in str(caught.value)


@pytest.mark.usefixtures("here")
def test_earlier_faults_are_reported_too() -> None:
    put("Dockerfile")
    faults = Faults()
    faults.add("something else")
    with pytest.raises(InputErrors, match="something else"):
        open_sources(Place(path="."), memory_limit=None, faults=faults)


@pytest.mark.parametrize("stream", [io.BytesIO(b"FROM scratch\n"), io.StringIO("FROM scratch\n")])
def test_a_dockerfile_alone(stream: Any) -> None:
    source, context = open_sources(Place(dockerfile_stream=stream), memory_limit=None, faults=Faults())
    assert source == Source("Dockerfile", "FROM scratch\n")
    assert isinstance(context, EmptyContext)
    [root] = context.resolve(".")
    assert [(entry.path, entry.kind) for entry in context.walk(root)] == [("", "dir")]
    assert context.resolve("*.txt") == []
    with pytest.raises(Exception, match=r"'a\.txt' not found"):
        context.resolve("a.txt")
    context.close()


@pytest.mark.usefixtures("here")
def test_a_dockerfile_from_a_stream_beside_a_folder() -> None:
    put("a")
    stream = io.BytesIO(b"FROM scratch\n")
    place = Place(path=".", dockerfile_stream=stream, stream_name="stdin")
    source, context = open_sources(place, memory_limit=None, faults=Faults())
    assert source.name == "stdin"
    assert context.resolve("a")[0].kind == "file"
    context.close()


def test_an_empty_stream() -> None:
    assert "the Dockerfile given as stdin is empty" in fault(
        dockerfile_stream=io.BytesIO(), stream_name="stdin"
    )
    assert "neither a context nor a Dockerfile is given" in fault()


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("limit", [None, 0, 1])
def test_a_tar_of_the_context(compress: Any, limit: int | None) -> None:
    data = compress(tar({"Dockerfile": b"FROM scratch\n", "d/other": b"FROM other\n", "f": b"content"}))
    for name, text in (
        (None, "FROM scratch\n"),
        ("d/other", "FROM other\n"),
        ("./d/../d/other", "FROM other\n"),
    ):
        place = Place(context=io.BytesIO(data), dockerfile=name)
        source, context = open_sources(place, memory_limit=limit, faults=Faults())
        assert source.text == text
        [match] = context.resolve("f")
        [entry] = context.walk(match)
        with entry.open() as file:
            assert file.read() == b"content"
        context.close()


def test_tar_faults() -> None:
    assert "Dockerfile 'x' is not in the context" in fault(
        context=io.BytesIO(tar({"a": b""})), dockerfile="x"
    )
    assert "Dockerfile 'Dockerfile' is not in" in fault(context=io.BytesIO(tar({"a": b""})))
    assert "tar" in fault(context=io.BytesIO(b"x" * 600))


def test_telling_a_tar_from_a_dockerfile() -> None:
    plain = tar({"Dockerfile": b"FROM scratch\n"})
    for data in (
        plain,
        gzip.compress(plain),
        bz2.compress(plain),
        lzma.compress(plain),
        tar({}),
        b"\x28\xb5\x2f\xfd...",
    ):
        assert is_archive(data[:512])
    for data in (b"", b"FROM scratch\n", b"# syntax\n" * 100, b"\xef\xbb\xbfFROM x", b"\0" * 100, b"x" * 512):
        assert not is_archive(data[:512])


class Trickle(io.RawIOBase):
    """Gives one byte at a time."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data, self.rest = self.rest[:1], self.rest[1:]
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 2000])
def test_a_stream_that_was_peeked_into_is_whole(size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    for stream in (io.BytesIO(data), io.BufferedReader(Trickle(data)), Trickle(data)):
        head, whole = peek(stream)  # type: ignore[arg-type]
        assert head == data[:512]
        assert whole.read() == data


def test_contexts_are_called_as_the_caller_calls_them(here: Path) -> None:
    put("sub/Dockerfile")
    data = tar({"Dockerfile": b"FROM scratch\n"})
    for place, name in [
        (Place(path="./sub/"), "sub"),
        (Place(path=here / "sub"), f"{here}/sub"),
        (Place(path=here / "sub", workspace=here), "sub"),
        (Place(path=here / "sub", workspace=here / "sub"), "."),
        (Place(context=io.BytesIO(data)), "tar"),
        (Place(dockerfile_stream=io.StringIO("FROM scratch")), "empty"),
    ]:
        _, context = open_sources(place, memory_limit=None, faults=Faults())
        assert str(context) == name
        context.close()
