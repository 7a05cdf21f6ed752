from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from incubator.ci.lists import parse_list
from incubator.ci.outputs import (
    as_texts,
    dotenv_text,
    make_call_outputs,
    make_merge_outputs,
    make_outputs,
    remove_from,
    remove_gitlab_outputs,
    write_github_outputs,
    write_gitlab_outputs,
    write_into,
)
from incubator.core.merge_images import MergedImage
from incubator.errors import BuilderError
from incubator.oci.descriptor import Descriptor
from incubator.oci.media_types import OCI_INDEX
from incubator.schema import load_schema

if TYPE_CHECKING:
    from incubator.ci.outputs import Outputs
    from incubator.core.result import ResultImage

DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def outputs(result: ResultImage) -> Outputs:
    return make_outputs(result)


def read_github_file(text: str) -> dict[str, str]:
    """Outputs as GitHub's runner reads its file."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines(keepends=True))
    for line in lines:
        if not line.strip():
            continue
        match = re.fullmatch(r"([^=<]+)<<(.+)\n", line)
        assert match, f"a line that the runner refuses: {line!r}"
        name, delimiter = match.groups()
        value = ""
        for part in lines:
            if part.rstrip("\n") == delimiter:
                break
            value += part
        else:
            pytest.fail("no end mark")
        found[name] = value.removesuffix("\n")
    return found


def read_gitlab_dotenv(data: bytes) -> dict[str, str]:
    """A dotenv report as GitLab reads it: every line `KEY=VALUE`, less than 5 KB, `$` expanded when used."""
    assert len(data) < 5120
    found = {}
    for line in data.decode().splitlines():
        match = re.fullmatch(r"([A-Za-z0-9_]+)=(.*)", line)
        assert match, f"a line that GitLab refuses: {line!r}"
        found[match[1]] = match[2].strip()
    return found


def test_outputs_fit_their_schema(outputs: Outputs) -> None:
    Draft202012Validator.check_schema(load_schema("outputs"))
    Draft202012Validator(load_schema("outputs")).validate(outputs)
    Draft202012Validator(load_schema("outputs")).validate(outputs | {"image-size-bytes": None})


def test_outputs_are_named_as_the_neighbour_names_them(outputs: Outputs) -> None:
    assert outputs["digest"] == DIGEST
    assert outputs["image"] == f"localhost:5000/acme/web@{DIGEST}"
    assert outputs["metadata"] == {
        "containerimage.config.digest": "sha256:" + "c" * 64,
        "containerimage.digest": DIGEST,
        "image.name": "localhost:5000/acme/web:1.2,localhost:5000/acme/web:latest",
    }
    assert (outputs["layers"], outputs["cached-layers"]) == (3, 1)


def test_without_a_push_there_is_no_digest(result: ResultImage) -> None:
    unknown = replace(result.layers[0], size_bytes=None)
    outputs = make_outputs(replace(result, digests={}, tags=(), layers=(unknown, *result.layers[1:])))
    Draft202012Validator(load_schema("outputs")).validate(outputs)
    texts = as_texts(outputs)
    assert (texts["digest"], texts["image"], texts["tags"], texts["image-size-bytes"]) == ("", "", "", "")
    assert "IMAGE_DIGEST" not in dotenv_text(outputs)


def test_every_output_of_the_schema_is_written(outputs: Outputs) -> None:
    texts = as_texts(outputs)
    assert list(texts) == list(load_schema("outputs")["properties"])
    assert json.loads(texts["json"]) == outputs
    assert texts["tags"].splitlines() == outputs["tags"]
    assert parse_list(texts["labels"], "lines") == ("a=1", "text=first\nsecond\nIMAGE=forged")


def test_github_reads_back_what_is_written(outputs: Outputs, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("earlier=1\n")
    write_github_outputs(outputs, path)
    text = path.read_text()
    assert text.startswith("earlier=1\n")
    assert read_github_file(text.removeprefix("earlier=1\n")) == as_texts(outputs)


@given(st.text(st.sampled_from("a\n=<>$\rEOFghadelimiter_")))
def test_no_label_forges_a_github_output(value: str) -> None:
    outputs: Outputs = {"labels": {"x": value}, "imageid": value, "tags": [], "metadata": {}}
    outputs |= {"digest": "", "image": "", "platform": "", "image-size-bytes": 1}
    outputs |= {"layers": 1, "cached-layers": 0, "duration-seconds": 1.0}
    outputs |= {"version": value, "tag-names": [], "annotations": [value], "call": None}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "output"
        write_github_outputs(outputs, path)
        with path.open(newline="") as file:
            found = read_github_file(file.read().replace("\r", "~"))
    assert set(found) == set(load_schema("outputs")["properties"])
    assert found["imageid"] == value.replace("\r", "~")


def test_outputs_of_a_call_are_the_answer_alone() -> None:
    answer = {"targets": [{"name": "a", "default": True}]}
    outputs = make_call_outputs(answer)
    Draft202012Validator(load_schema("outputs")).validate(outputs)
    texts = as_texts(outputs)
    assert json.loads(texts["call"]) == answer
    assert (texts["imageid"], texts["tags"], texts["metadata"]) == ("", "", "{}")
    assert dotenv_text(outputs) == ""


def test_delimiters_differ(outputs: Outputs, tmp_path: Path) -> None:
    write_github_outputs(outputs, tmp_path / "output")
    delimiters = re.findall(r"<<(.+)\n", (tmp_path / "output").read_text())
    assert len(set(delimiters)) == len(load_schema("outputs")["properties"])


def test_the_dotenv_report_follows_gitlabs_rules(outputs: Outputs) -> None:
    assert read_gitlab_dotenv(dotenv_text(outputs).encode()) == {
        "IMAGE": f"localhost:5000/acme/web@{DIGEST}",
        "IMAGE_DIGEST": DIGEST,
        "IMAGE_ID": "sha256:" + "1" * 64,
        "IMAGE_TAG": "localhost:5000/acme/web:1.2",
    }


def test_dollars_are_doubled_and_newlines_refused(outputs: Outputs) -> None:
    assert "IMAGE_ID=a$$b\n" in dotenv_text(outputs | {"imageid": "a$b"})
    for value in ("a\nIMAGE=evil", "a\rb", " a", "a\x00"):
        with pytest.raises(BuilderError, match="not one plain line"):
            dotenv_text(outputs | {"imageid": value})
    with pytest.raises(BuilderError, match="less than 5120"):
        dotenv_text(outputs | {"imageid": "a" * 5100})


def test_gitlab_files_are_written_and_belong_to_the_workspaces_owner(
    outputs: Outputs, tmp_path: Path
) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 1234, 4321)
    write_gitlab_outputs(outputs, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["incubator.env", "incubator.json"]
    assert json.loads((tmp_path / "incubator.json").read_text()) == outputs
    owner = tmp_path.stat()
    for path in tmp_path.iterdir():
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (owner.st_uid, owner.st_gid)
        assert found.st_mode & 0o777 == 0o644


def test_a_link_in_the_checkout_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("safe")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "incubator.json").symlink_to(outside)
    write_into(workspace, "incubator.json", "{}")
    assert outside.read_text() == "safe"
    assert not (workspace / "incubator.json").is_symlink()


def test_outputs_that_the_checkout_brings_are_removed(tmp_path: Path) -> None:
    (tmp_path / "incubator.env").write_text("IMAGE_DIGEST=forged\n")
    (tmp_path / "incubator.json").symlink_to("/etc/passwd")
    remove_gitlab_outputs(tmp_path)
    assert list(tmp_path.iterdir()) == []
    remove_gitlab_outputs(tmp_path)
    (tmp_path / "incubator.env").mkdir()
    with pytest.raises(BuilderError, match=r"cannot remove incubator\.env"):
        remove_gitlab_outputs(tmp_path)


def test_a_file_in_a_folder_is_written_and_removed(tmp_path: Path) -> None:
    write_into(tmp_path, "reports/deep/image.html", "<p>")
    assert (tmp_path / "reports/deep/image.html").read_text() == "<p>"
    for path in (tmp_path / "reports", tmp_path / "reports/deep"):
        assert path.stat().st_uid == tmp_path.stat().st_uid
    remove_from(tmp_path, "reports/deep/image.html")
    assert list((tmp_path / "reports/deep").iterdir()) == []


def test_a_folder_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    outside, workspace = tmp_path / "outside", tmp_path / "workspace"
    outside.mkdir()
    workspace.mkdir()
    (outside / "image.html").write_text("safe")
    (workspace / "reports").symlink_to(outside)
    for name in ("reports/image.html", "reports/new/image.html"):
        with pytest.raises(BuilderError, match="leads out of the workspace"):
            write_into(workspace, name, "<p>")
        with pytest.raises(BuilderError, match="leads out of the workspace"):
            remove_from(workspace, name)
    assert [path.name for path in outside.iterdir()] == ["image.html"]
    assert (outside / "image.html").read_text() == "safe"


def test_outputs_of_a_merge_have_the_same_names(outputs: Outputs) -> None:
    merged = MergedImage(
        descriptor=Descriptor(media_type=OCI_INDEX, digest=DIGEST, size=7),
        digests=dict.fromkeys(("acme/web:1", "ghcr.io/acme/web:1"), DIGEST),
        platforms=("linux/amd64", "linux/arm64"),
    )
    found = make_merge_outputs(merged, duration_s=1.5)
    assert found.keys() == outputs.keys()
    Draft202012Validator(load_schema("outputs")).validate(found)
    assert found["image"] == f"acme/web@{DIGEST}"
    assert found["metadata"]["image.name"] == "docker.io/acme/web:1,ghcr.io/acme/web:1"
    assert found["metadata"]["containerimage.descriptor"] == {
        "mediaType": OCI_INDEX,
        "digest": DIGEST,
        "size": 7,
    }
    assert as_texts(found)["platform"] == "linux/amd64,linux/arm64"
    assert f"IMAGE=acme/web@{DIGEST}\n" in dotenv_text(found)


def test_a_push_by_digest_has_a_name_to_deploy(result: ResultImage) -> None:
    found = make_outputs(replace(result, tags=(), digests={"localhost:5000/acme/web": DIGEST}))
    assert (found["image"], found["tags"]) == (f"localhost:5000/acme/web@{DIGEST}", [])
    assert found["metadata"]["image.name"] == "localhost:5000/acme/web"
