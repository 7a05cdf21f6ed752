import os
from pathlib import Path
from typing import Any

import pytest

from incubator.core.config import ImageConfig
from incubator.core.config_files import load_config_files
from incubator.core.trust import ARGUMENTS, Origin, find_escapes, make_volume
from incubator.core.volume import Volume
from incubator.errors import InputError, InputErrors


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return folder


def test_relative_sources_count_from_the_folder_of_their_origin(tmp_path: Path, monkeypatch: Any) -> None:
    origin = Origin(name="f", folder=tmp_path / "sub")
    assert make_volume("./a:/x", origin) == Volume(f"{tmp_path}/sub/a", "/x")
    assert make_volume("../a:/x:ro", origin) == Volume(f"{tmp_path}/a", "/x", "ro")
    assert make_volume(".:/x", origin) == Volume(f"{tmp_path}/sub", "/x")
    monkeypatch.chdir(tmp_path)
    assert make_volume("./a:/x", ARGUMENTS) == Volume(f"{tmp_path}/a", "/x")
    monkeypatch.setenv("HOME", "/home/me")
    assert make_volume("~/a:/x", ARGUMENTS) == Volume("/home/me/a", "/x")


def test_names_and_absolute_paths_stay() -> None:
    assert make_volume("/a/../b:/x:z", ARGUMENTS) == Volume("/a/../b", "/x", "z")
    assert make_volume("my_vol-1.0:/x", ARGUMENTS) == Volume("my_vol-1.0", "/x")
    assert make_volume(Volume("/a", "/b"), ARGUMENTS) == Volume("/a", "/b")


@pytest.mark.parametrize(
    "text", ["cache/x:/y", "-x:/y", "~user/x:/y", "a b:/c", "x", ":", "./x", "./x:", "./x:y"]
)
def test_bad_volumes(text: str) -> None:
    with pytest.raises(InputError) as caught:
        make_volume(text, ARGUMENTS)
    assert "invalid volume" in str(caught.value)


def test_an_untrusted_origin_stays_in_the_workspace(workspace: Path) -> None:
    origin = Origin(name="./.incubator", folder=workspace, workspace=workspace)
    assert not origin.trusted
    assert make_volume("./sub:/x", origin) == Volume(f"{workspace}/sub", "/x")
    assert make_volume(".:/x:ro", origin) == Volume(str(workspace), "/x", "ro")
    assert make_volume(f"{workspace}/new:/x", origin) == Volume(f"{workspace}/new", "/x")
    (workspace / "link").symlink_to("sub")
    assert make_volume("./link:/x", origin) == Volume(f"{workspace}/sub", "/x")


def test_an_untrusted_origin_cannot_leave_the_workspace(workspace: Path) -> None:
    origin = Origin(name="./.incubator", folder=workspace, workspace=workspace)
    (workspace / "out").symlink_to("../secret")
    (workspace / "root").symlink_to("/")
    (workspace / "loop").symlink_to("loop/../out")
    (workspace.parent / "workspace-evil").mkdir()
    for text in (
        "/:/x", "/etc:/x", "./loop/../../secret:/x", "..:/x", "../secret:/x", "./../secret:/x",
        "./sub/../../secret:/x", "./out:/x", "./out/deep:/x", "./root/etc:/x", f"{workspace}/../secret:/x",
        f"{workspace}-evil:/x", "/var/run/docker.sock:/x",
    ):  # fmt: skip
        with pytest.raises(InputError, match="outside the workspace") as caught:
            make_volume(text, origin)
        assert "./.incubator" in str(caught.value)
    with pytest.raises(InputError, match="volume of the engine"):
        make_volume("another-jobs-cache:/x", origin)
    with pytest.raises(InputError, match="neither an absolute path"):
        make_volume("~/x:/x", origin)


def test_a_workspace_that_is_reached_by_a_link(workspace: Path) -> None:
    link = workspace.parent / "link"
    link.symlink_to(workspace)
    origin = Origin(name="f", folder=link, workspace=link)
    assert make_volume("./sub:/x", origin) == Volume(f"{workspace}/sub", "/x")


def test_no_untrusted_volume_inside_one_that_steps_can_write(workspace: Path) -> None:
    untrusted = Origin(name="f", workspace=workspace)
    inner = Volume(str(workspace / "sub"), "/x")
    for outer, origin in [
        (Volume(str(workspace), "/w"), untrusted),
        (Volume(str(workspace), "/w"), ARGUMENTS),
        (Volume(str(workspace.parent), "/w", "rw,z"), ARGUMENTS),
        (Volume(f"{workspace}/sub/..", "/w"), ARGUMENTS),
    ]:
        found = list(find_escapes([(outer, origin), (inner, untrusted)]))
        assert [volume for volume, _ in found] == [inner]
        assert "inside the writable volume" in str(found[0][1])
    for outer in (
        Volume(str(workspace), "/w", "ro"),
        Volume(str(workspace / "other"), "/w"),
        Volume("name", "/w"),
    ):
        assert not list(find_escapes([(outer, untrusted), (inner, untrusted)]))
    assert not list(find_escapes([(Volume(str(workspace), "/w"), ARGUMENTS), (inner, ARGUMENTS)]))
    assert not list(find_escapes([(inner, untrusted), (Volume(inner.source, "/y"), untrusted)]))


def load(workspace: Path, *names: str, home: Path | None = None) -> ImageConfig:
    return ImageConfig.merge_configs(load_config_files(names, workspace=workspace, home=home))


def test_the_files_in_their_order(workspace: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".incubator.rc").write_text(
        "labels: {a: home, b: home, c: home}\nvolumes: ['./cache:/cache', /etc:/etc:ro]\n"
    )
    (workspace / ".incubator").write_text(
        '{"labels": {"b": "checkout", "c": "checkout"}, "volumes": ["./sub:/sub"]}'
    )
    (workspace / "sub/more.yml").write_text("labels: {c: more}\nvolumes: ['.:/more']\n")
    (tmp_path / "outside.json").write_text('{"volumes": ["/srv:/srv"]}')
    config = load(workspace, "sub/more.yml", "../outside.json", home=home)
    assert config.labels == {"a": "home", "b": "checkout", "c": "more"}
    assert {str(entry.value): (entry.place, entry.origin.trusted) for entry in config.items("volumes")} == {
        f"{home}/cache:/cache:rw": ("~/.incubator.rc:2", True),
        "/etc:/etc:ro": ("~/.incubator.rc:2", True),
        f"{workspace}/sub:/sub:rw": ("./.incubator:1", False),
        f"{workspace}/sub:/more:rw": ("sub/more.yml:2", False),
        "/srv:/srv:rw": ("../outside.json:1", True),
    }


def test_no_files(workspace: Path) -> None:
    assert load(workspace, home=workspace / "nowhere").config == {}
    assert load(workspace).config == {}


def test_a_home_in_the_workspace_is_the_repositorys(workspace: Path) -> None:
    (workspace / "sub/.incubator.rc").write_text("volumes: [/etc:/x]")
    with pytest.raises(InputErrors, match="outside the workspace"):
        load(workspace, home=workspace / "sub")


def test_a_file_of_the_workspace_is_not_trusted_by_any_name(workspace: Path, monkeypatch: Any) -> None:
    (workspace / "c.yml").write_text("volumes: [/etc:/x]")
    monkeypatch.chdir(workspace.parent)
    (workspace.parent / "way").symlink_to(workspace)
    for name in ("c.yml", "./sub/../c.yml", str(workspace / "c.yml"), str(workspace.parent / "way/c.yml")):
        with pytest.raises(InputErrors, match="outside the workspace"):
            load(workspace, name)


def test_files_that_cannot_be_read(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "secret/key").write_text("TOP-SECRET: {")
    (workspace / ".incubator").symlink_to(tmp_path / "secret/key")
    (workspace / "config.yml").write_text("{}")
    (workspace / "latin.yml").write_bytes(b"labels: {a: \xe4}")
    os.mkfifo(workspace / "pipe")
    with pytest.raises(InputErrors) as caught:
        load(workspace, "configg.yml", "sub", "pipe", "/dev/zero", "latin.yml", "no/such/file")
    assert [error.message for error in caught.value.errors] == [
        f"configuration ./.incubator: the link leads out of the workspace, to '{tmp_path}/secret/key'",
        "configuration configg.yml does not exist",
        "configuration sub is a folder",
        "configuration pipe is not a regular file",
        "configuration /dev/zero is not a regular file",
        "configuration latin.yml is not UTF-8: byte 12",
        "configuration no/such/file does not exist",
    ]
    assert "did you mean config.yml?" in str(caught.value)
    assert "TOP-SECRET" not in str(caught.value)


def test_a_dangling_default_file_is_a_fault(workspace: Path) -> None:
    (workspace / ".incubator").symlink_to(".incubator")
    with pytest.raises(InputErrors, match=r"\./\.incubator does not exist"):
        load(workspace)
    (workspace / ".incubator").unlink()
    (workspace / ".incubator").symlink_to("gone")
    with pytest.raises(InputErrors, match=r"\./\.incubator does not exist"):
        load(workspace)


def test_large_files_are_not_read_whole(workspace: Path) -> None:
    with (workspace / ".incubator").open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(InputErrors, match="has at most"):
        load(workspace)
