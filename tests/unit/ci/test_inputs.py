from __future__ import annotations

import json
import socket
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from incubator.ci.inputs import PipelineInputs, read_inputs
from incubator.ci.raw import COMPONENT_MARK, secret_values
from incubator.ci.spec import input_specs
from incubator.ci.surroundings import Surroundings
from incubator.core.volume import Volume
from incubator.errors import InputErrors
from incubator.faults import Faults
from incubator.neighbours import BUILD_PUSH_ACTION, DIFFERENT, IGNORED, INPUTS
from incubator.oci.reference import parse_reference
from incubator.request import CacheTarget
from incubator.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incubator.ci.surroundings import Ci

SECRET = "s3cr3t-t0ken"


def read(ci: Ci = "github", /, **variables: str) -> PipelineInputs:
    """Inputs from variables, `build_args` being the input `build-args` on GitHub and `INCUBATOR_...` elsewhere."""
    return read_environ(environ_of(ci, **variables), ci)


def read_environ(
    environ: dict[str, str],
    ci: Ci,
    warn: Callable[[str], None] = lambda _: None,
    workspace: Path = Path("/home/ci/web"),
) -> PipelineInputs:
    found = Faults()
    around = Surroundings(ci=ci, workspace=workspace, environ=environ)
    inputs = read_inputs(around, faults=found, warn=warn)
    found.check()
    return inputs


def environ_of(ci: Ci, /, **variables: str) -> dict[str, str]:
    prefix = "INPUT_" if ci == "github" else "INCUBATOR_"
    hyphen = "-" if ci == "github" else "_"
    return {
        name if name.isupper() else prefix + name.upper().replace("_", hyphen): value
        for name, value in variables.items()
    }


def faults(ci: Ci = "github", /, **variables: str) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        read(ci, **variables)
    return [str(error) for error in caught.value.errors]


def component(value: str) -> str:
    return COMPONENT_MARK + value


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(load_schema("inputs"))
    assert load_schema("inputs")["additionalProperties"] is False


def test_defaults_and_examples_are_valid_and_every_input_is_described() -> None:
    validator = Draft202012Validator(load_schema("inputs"))
    for spec in input_specs():
        assert spec.description.endswith("."), spec.name
        for value in (spec.default, *spec.examples):
            validator.validate({spec.name: value})
        assert spec.examples or spec.secret
        assert (spec.kind == "list") == (spec.list_style is not None)


@pytest.fixture
def agent() -> Iterator[Path]:
    """The socket of an agent that nobody asks anything; its path has to be short."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        path = Path(folder, "agent")
        listening.bind(str(path))
        yield path


def test_examples_are_understood(tmp_path: Path, agent: Path) -> None:
    (tmp_path / ".npmrc").write_text("x")
    given = {"NPM_TOKEN": "t", "SSH_AUTH_SOCK": str(agent)}
    for spec in input_specs():
        for example in spec.examples:
            text = "\n".join(example) if isinstance(example, list) else str(example).lower()
            others = {"memory": "1g"} if spec.name == "memory-swap" else {}
            login = {"registry", "username", "password"}
            others |= dict.fromkeys(login - {spec.name}, "x") if spec.name in login else {}
            if spec.name in {"tags", "flavor"} and "=" in text:
                others |= {"images": "acme/web"}
            environ = environ_of("github", **others, **given, **{spec.name.replace("-", "_"): text})
            assert read_environ(environ, "github", workspace=tmp_path) != PipelineInputs()


# -- secrets ------------------------------------------------------------------------------------------------


def test_secrets_of_all_three_inputs(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"line 1\n\xff\n")
    environ = environ_of(
        "github",
        secrets='a= spaced, with a comma \n"b=line 1\nsays ""hi""\n"\n',
        secret_envs="c=TOKEN,d=OTHER",
        secret_files="e=key",
        TOKEN="t1",
        OTHER="t2\n",
    )
    inputs = read_environ(environ, "github", workspace=tmp_path)
    assert {name: secret.value for name, secret in inputs.access.secrets.items()} == {
        "a": b" spaced, with a comma ",
        "b": b'line 1\nsays "hi"\n',
        "c": b"t1",
        "d": b"t2\n",
        "e": b"line 1\n\xff\n",
    }
    assert SECRET not in repr(inputs)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"secrets": SECRET}, ["input secrets", "not written as id=value"]),
        ({"secrets": f"={SECRET}"}, ["input secrets", "not written as id=value"]),
        ({"secrets": f'"a={SECRET}'}, ["input secrets", "a quote that opens in line 1 is never closed"]),
        ({"secrets": f"a={SECRET}\na=other"}, ["secret 'a' is given twice"]),
        ({"secret_envs": "a=NOT_SET"}, ["input secret-envs", "the variable NOT_SET is not set"]),
        ({"secret_envs": "NOT_SET"}, ["input secret-envs", "id=VARIABLE", "write NOT_SET=VARIABLE"]),
        ({"secret_files": "a="}, ["input secret-files", "id=path", "write a=path"]),
        ({"secret_files": "a=nowhere"}, ["input secret-files", "No such file"]),
        ({"secret_files": "a=/home/runner/work/a/b"}, ["input secret-files", "by its relative path"]),
        ({"ssh": "default"}, ["input ssh", "SSH_AUTH_SOCK is not set"]),
        ({"ssh": "default=/etc/passwd"}, ["input ssh", "is no socket"]),
        ({"allow": "network.hots"}, ["input allow", "did you mean network.host?"]),
    ],
)
def test_faults_of_secrets_do_not_show_them(variables: dict[str, str], words: list[str]) -> None:
    [fault] = faults(**variables)
    for word in words:
        assert word in fault
    assert SECRET not in fault


def test_a_secret_file_does_not_leave_the_workspace_through_a_link(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "outside").write_text(SECRET)
    (workspace / "token").symlink_to("../outside")
    with pytest.raises(InputErrors, match="leads out of the workspace"):
        read_environ(environ_of("github", secret_files="a=token"), "github", workspace=workspace)
    named = read_environ(
        environ_of("github", secret_files=f"a={tmp_path}/outside"), "github", workspace=workspace
    )
    assert named.access.secrets["a"].value == SECRET.encode()


def test_agents_and_rights(agent: Path) -> None:
    inputs = read(ssh=f"default,other={agent}", allow="network.host", SSH_AUTH_SOCK=str(agent))
    assert inputs.access.ssh == {"default": str(agent.resolve()), "other": str(agent.resolve())}
    assert inputs.access.allow == {"network.host"}


def test_the_fields_are_the_inputs() -> None:
    names = [field.name.replace("_", "-") for field in fields(PipelineInputs)]
    specs = [spec.name for spec in input_specs() if spec.name not in {"images", "flavor"}]
    assert [name for name in names if name != "language"] == specs


def test_nothing_given_is_nothing() -> None:
    assert read() == PipelineInputs()
    blank = {spec.name.replace("-", "_"): " \n" for spec in input_specs()}
    assert read(**blank) == PipelineInputs()


@pytest.mark.parametrize("ci", ["github", "gitlab", "plain"])
def test_reads_every_kind(ci: Ci) -> None:
    inputs = read(
        ci,
        context="app",
        build_args="VERSION=1.2\nFROM_ENVIRONMENT\nNOWHERE\nEMPTY=\n",
        labels="a=b=c\nd",
        tags="acme/web:1, ghcr.io/acme/web\nacme/web:1",
        push="TRUE",
        no_cache="false",
        layers="3, 5",
        volumes="./cache:/cache\nmaven:/root/.m2:ro",
        memory="512m",
        cpu_shares="512",
        cpuset_cpus="0-1",
        FROM_ENVIRONMENT="yes",
    )
    assert inputs == PipelineInputs(
        context="app",
        build_args={"VERSION": "1.2", "FROM_ENVIRONMENT": "yes", "NOWHERE": None, "EMPTY": ""},
        labels={"a": "b=c", "d": ""},
        tags=(parse_reference("acme/web:1"), parse_reference("ghcr.io/acme/web:latest")),
        push=True,
        no_cache=False,
        layers=(3, 5),
        volumes=(Volume("/home/ci/web/cache", "/cache"), Volume("maven", "/root/.m2", "ro")),
        memory="512m",
        cpu_shares=512,
        cpuset_cpus="0-1",
    )


def test_what_the_component_gives_by_itself_is_no_fault_of_a_merge() -> None:
    given = {"merge": component('["a/b:1"]'), "tags": component('["a/b:2"]')}
    assert read("gitlab", **given, report=component("incubator-report.html")).merge == ("a/b:1",)
    (fault,) = faults("gitlab", **given, report=component("other.html"))
    assert "it is about a build" in fault


def test_layers_and_squash() -> None:
    assert read(layers="auto").layer_splits == "auto"
    assert read(layers="0").layer_splits == (0,)
    assert read(squash="true").layer_splits == (0,)
    assert read(squash="true", layers="0").layer_splits == (0,)
    assert read(squash="false", layers="2").layer_splits == (2,)
    assert "squash and layers" in faults(squash="true", layers="2")[0]


def test_all_faults_come_together_with_name_value_and_what_is_allowed() -> None:
    found = faults(
        tag="acme/web",
        push="yes",
        tags="Acme/Web",
        memory="12q",
        volumes="/srv",
        layers="two",
        cpu_shares="-3",
        labels="=x",
        username="bot",
        outputs="type=tarr,dest=x",
    )
    text = "\n".join(found)
    for expected in (
        "unknown input tag\nhint: did you mean tags?",
        "input push: 'yes' is neither true nor false\nhint: write true or false",
        "input tags: invalid reference 'Acme/Web'",
        "input memory: invalid size '12q'\nhint: a size is",
        "input volumes: invalid volume '/srv': expected source:destination[:mode]",
        "input layers: invalid layer split 'two'",
        "input cpu-shares: '-3' is not a whole number\nhint: expected a whole number from 0 to 262144",
        "input labels: '=x' has no name before the =",
        "input password: it is missing, but username is given",
        "input outputs: invalid output: there is no type 'tarr'\nhint: did you mean tar?",
    ):
        assert expected in text
    assert len(found) == 10


@pytest.mark.parametrize("text", ["True", "TRUE", "true"])
def test_booleans_are_yaml_core(text: str) -> None:
    assert read(push=text).push is True


@pytest.mark.parametrize("text", ["yes", "on", "1", "tRue", "t", "'true'"])
def test_other_words_are_no_booleans(text: str) -> None:
    assert len(faults(push=text)) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"context": "/home/runner/work/web/web"},
        {"build_contexts": "base=oci-layout:///home/runner/work/base:1.0"},
        {"build_contexts": "base=/home/runner/work/base"},
    ],
)
def test_folders_that_the_container_does_not_see(given: dict[str, str]) -> None:
    [fault] = faults(**given)
    assert "is not seen here" in fault
    assert "name a place of the workspace by its relative path" in fault


def test_folders_elsewhere_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    assert read(context=str(tmp_path / "base")).context == str(tmp_path / "base")
    assert read(build_contexts=f"base=oci-layout://{tmp_path}/base:1.0").build_contexts
    assert read("gitlab", context="/elsewhere").context == "/elsewhere", "other messages are for that"


@pytest.mark.parametrize(
    ("context", "hint"),
    [
        ("dir:///builds/web", "write the folder alone, /builds/web"),
        ("tar://web.tar.gz", "fetch it in a step before"),
        ("s3://bucket/web.tar.gz", "fetch it in a step before"),
    ],
)
def test_contexts_as_kaniko_writes_them(context: str, hint: str) -> None:
    [fault] = faults(context=context)
    assert fault.startswith(f"input context: {context!r} is written as for kaniko\nhint: {hint}")


def test_expansions_of_a_shell_are_not_done_by_a_component() -> None:
    warnings: list[str] = []
    entries = json.dumps(["VERSION=${CI_COMMIT_TAG:-0}", "A=$$B ${CI_COMMIT_TAG} $${X:-y} {{version}}"])
    environ = {"INCUBATOR_BUILD_ARGS": f"component:{entries}", "CI_COMMIT_TAG": "v1"}
    inputs = read_environ(environ, "gitlab", warnings.append)
    assert inputs.build_args == {"VERSION": "${CI_COMMIT_TAG:-0}", "A": "$B v1 ${X:-y} {{version}}"}
    [warning] = warnings
    assert warning.startswith("input build-args: ${CI_COMMIT_TAG: is an expansion of the shell")
    assert warning.endswith("write $CI_COMMIT_TAG, or $$ for a dollar")


def test_what_others_call_the_dockerfile() -> None:
    assert faults(dockerfile="web.Dockerfile") == ["unknown input dockerfile\nhint: did you mean file?"]
    assert faults("gitlab", dockerfile="a") == [
        "unknown variable INCUBATOR_DOCKERFILE\nhint: did you mean INCUBATOR_FILE?"
    ]


def test_unknown_variables_are_named_as_they_were_given() -> None:
    assert faults("gitlab", builds_args="A=1") == [
        "unknown variable INCUBATOR_BUILDS_ARGS\nhint: did you mean INCUBATOR_BUILD_ARGS?"
    ]
    assert read(zzz="") == PipelineInputs(), "an empty one asks for nothing"


def test_a_name_that_is_like_no_other_is_warned_of() -> None:
    warnings: list[str] = []
    assert read_environ({"INPUT_ZZZ": "1"}, "github", warnings.append) == PipelineInputs()
    assert read_environ({"INCUBATOR_ZZZ": "1"}, "plain", warnings.append) == PipelineInputs()
    assert warnings == [
        "unknown input zzz is ignored: no input has a name like it",
        "unknown variable INCUBATOR_ZZZ is ignored: no input has a name like it",
    ]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"username": "bot"}, "input password"),
        ({"registry": "ghcr.io", "username": "bot"}, "input password"),
        ({"registry": "ghcr.io"}, "inputs username and password"),
        ({"password": SECRET}, "input username"),
    ],
)
def test_a_login_that_lacks_something_is_missed_by_a_push_alone(given: dict[str, str], missing: str) -> None:
    notes: list[str] = []
    around = Surroundings(
        ci="github", workspace=Path("/home/ci/web"), environ=environ_of("github", **given, push="false")
    )
    faulty = Faults()
    inputs = read_inputs(around, faults=faulty, warn=pytest.fail, note=notes.append)
    assert faulty.errors == []
    assert inputs.credentials == ()
    assert [note.partition(":")[0] for note in notes] == [missing]
    assert notes[0].endswith("so there is no login, and nothing is pushed that would need one")
    for push in ({"push": "true"}, {"outputs": "type=registry,name=ghcr.io/acme/web"}, {"merge": "a@b"}):
        [fault] = [text for text in faults(**given, **push) if "missing" in text]
        assert fault.startswith(missing)
        assert "secrets are empty in pull requests of forks" in fault


def test_a_secret_is_in_no_fault_and_no_representation() -> None:
    found = faults(password=SECRET, passwort=SECRET, push="x")
    assert len(found) == 3
    assert SECRET not in "\n".join(found)
    assert SECRET not in repr(read(username="bot", password=SECRET))
    assert SECRET not in repr(read(username="bot", password=SECRET).credential)


def test_logins() -> None:
    hub = read(username="bot", password=SECRET).credential
    assert hub is not None
    assert (hub.registry, hub.username, hub.password) == ("docker.io", "bot", SECRET)
    other = read(registry="localhost:5000", username="bot", password=SECRET).credential
    assert other is not None
    assert other.registry == "localhost:5000"
    index = read(registry="https://index.docker.io/v1/", username="bot", password=SECRET).credential
    assert index is not None
    assert index.registry == "docker.io"
    assert read().credential is None
    assert "hint: write ghcr.io" in faults(registry="https://ghcr.io", username="a", password="b")[0]
    assert "registry is given" in faults(registry="ghcr.io", push="true")[0]


def test_gitlab_brings_the_login_of_the_job() -> None:
    job = {"CI_REGISTRY": "registry.example", "CI_REGISTRY_USER": "job", "CI_REGISTRY_PASSWORD": SECRET}
    default = read("gitlab", **job).credential
    assert default is not None
    assert (default.registry, default.username) == ("registry.example", "job")
    own = read("gitlab", registry="ghcr.io", username="bot", password="x", **job).credential
    assert own is not None
    assert own.registry == "ghcr.io"
    assert read("github", **job).credential is None
    assert read("gitlab", CI_REGISTRY="registry.example").credential is None


def test_secret_values_are_found_for_masking() -> None:
    assert secret_values({"INPUT_PASSWORD": f" {SECRET}\n"}, "github") == (SECRET,)
    environ = {"INCUBATOR_PASSWORD": component("$TOKEN"), "TOKEN": SECRET}
    assert SECRET in secret_values(environ, "gitlab")
    assert secret_values({}, "github") == ()


def test_the_component_gives_json_lists_and_expands_once_entry_by_entry() -> None:
    warnings: list[str] = []
    environ = environ_of(
        "gitlab",
        labels=component('["message=$MESSAGE", "price=5$$", "nothing=${UNSET_HERE}"]'),
        context=component("$FOLDER/app"),
        MESSAGE='","evil=1 $SECRET_THING\nsecond line',
        SECRET_THING=SECRET,
        FOLDER="services",
    )
    inputs = read_environ(environ, "gitlab", warnings.append)
    assert inputs.labels == {
        "message": '","evil=1 $SECRET_THING\nsecond line',
        "price": "5$",
        "nothing": "",
    }
    assert inputs.context == "services/app"
    assert len(warnings) == 1
    assert "UNSET_HERE" in warnings[0]


def test_plain_variables_are_not_expanded() -> None:
    inputs = read("gitlab", labels="message=$SECRET_THING", SECRET_THING=SECRET)
    assert inputs.labels == {"message": "$SECRET_THING"}


def test_the_component_reads_what_ruby_writes_for_a_list() -> None:
    inputs = read("gitlab", labels=component(r'["a=\#{x} \#$$y \"q\" \\ \u00e9", "b=\e"]'))
    assert inputs.labels == {"a": '#{x} #$y "q" \\ é', "b": "\x1b"}


@pytest.mark.parametrize("value", ["[1", '{"a": 1}', "[[1]]", "[null]", "text"])
def test_what_is_no_list_is_a_fault(value: str) -> None:
    assert len(faults("gitlab", labels=component(value))) == 1


def test_values_of_the_component_that_equal_the_default_are_not_given() -> None:
    assert read("gitlab", push=component("false"), cpu_shares=component("0")) == PipelineInputs()
    assert read("gitlab", push=component("true"), cpu_shares=component("5")).push is True
    assert read("gitlab", push="false").push is False


texts = st.text(max_size=40)


@given(st.dictionaries(st.sampled_from([spec.github_variable for spec in input_specs()]), texts))
@settings(max_examples=80)
def test_no_input_crashes_and_what_is_accepted_fits_the_schema(environ: dict[str, str]) -> None:
    try:
        inputs = read_environ(environ, "github")
    except InputErrors:
        return
    typed: dict[str, Any] = {
        "tags": [str(tag) for tag in inputs.tags],
        "labels": [f"{key}={value}" for key, value in inputs.labels.items()],
        "push": inputs.push or False,
        "cpu-shares": inputs.cpu_shares or 0,
        "registry": inputs.registry or "",
    }
    Draft202012Validator(load_schema("inputs")).validate(typed)


def test_every_input_of_the_neighbour_is_taken_or_refused_by_name() -> None:
    own = {spec.name for spec in input_specs()}
    assert len(BUILD_PUSH_ACTION) == 33
    assert own.isdisjoint(INPUTS)
    assert set(BUILD_PUSH_ACTION) <= own | set(INPUTS) | set(IGNORED)
    theirs = {name for name, refused in INPUTS.items() if refused.of == "docker/build-push-action"}
    assert theirs | set(DIFFERENT) <= set(BUILD_PUSH_ACTION)
    assert own.isdisjoint(IGNORED)
    assert set(IGNORED).isdisjoint(INPUTS)


@pytest.mark.parametrize("name", IGNORED)
@pytest.mark.parametrize("value", ["true", "false", "some-builder"])
def test_inputs_that_make_no_difference_are_ignored_with_a_note(name: str, value: str) -> None:
    notes: list[str] = []
    around = Surroundings(ci="github", workspace=Path("/w"), environ={f"INPUT_{name.upper()}": value})
    found = Faults()
    assert read_inputs(around, faults=found, warn=pytest.fail, note=notes.append) == PipelineInputs()
    assert notes == [f"input {name} is ignored: {IGNORED[name]}"]
    assert not found.errors


def test_what_metadata_action_calls_a_context_is_no_folder() -> None:
    [fault] = faults(context="workflow")
    assert "there is no folder 'workflow'" in fault
    assert "docker/metadata-action" in fault


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("ci", ["github", "plain"])
def test_refused_inputs_say_what_to_use_instead(ci: Ci, name: str) -> None:
    [fault] = faults(ci, **{name.replace("-", "_"): "something"})
    assert fault.endswith(f"not supported here yet\nhint: {INPUTS[name].instead}")
    assert f" {INPUTS[name].of} has it" in fault
    for harmless in INPUTS[name].harmless:
        assert read(ci, **{name.replace("-", "_"): harmless}) == PipelineInputs()


def test_options_of_containers() -> None:
    inputs = read(
        add_hosts="a=10.0.0.1, b:[::1]\nc=host-gateway",
        ulimit="nofile=1:2\nnproc=3",
        security_opt="seccomp:unconfined",
        no_cache_filters="deps, 1",
        platforms="linux/arm64",
        cpu_quota="50000",
    )
    assert [str(host) for host in inputs.add_hosts] == ["a=10.0.0.1", "b=::1", "c=host-gateway"]
    assert [str(limit) for limit in inputs.ulimit] == ["nofile=1:2", "nproc=3:3"]
    assert inputs.security_opt == ("seccomp=unconfined",)
    assert (inputs.no_cache_filters, inputs.platforms) == (("deps", "1"), ("linux/arm64",))
    [hosts, quota, shm, limit, cgroup] = faults(
        add_hosts="a", shm_size="x", ulimit="nofile", cgroup_parent="..", cpu_quota="1"
    )
    assert "input add-hosts: invalid host 'a': it has no address" in hosts
    assert "input shm-size: shm size: invalid size 'x'" in shm
    assert "input ulimit: invalid ulimit 'nofile'" in limit
    assert "input cgroup-parent: invalid cgroup parent '..'" in cgroup
    assert "input cpu-quota: '1': out of range\nhint: it is a whole number of microseconds" in quota


@pytest.mark.parametrize("ci", ["github", "plain", "gitlab"])
def test_caches_keep_their_commas(ci: Ci) -> None:
    entries = ["type=registry,ref=ghcr.io/acme/web:cache,mode=max", "acme/web:other"]
    text = "component:" + json.dumps(entries) if ci == "gitlab" else "\n".join(entries)
    inputs = read(ci, cache_to=text)
    assert [(str(target.place), target.mode) for target in inputs.cache_to] == [
        ("ghcr.io/acme/web:cache", "max"),
        ("acme/web:other", "min"),
    ]
    assert inputs.cache_from == ()


@pytest.mark.parametrize("kind", ["gha,scope=main", "azblob,name=x", "s3,bucket=b"])
def test_a_cache_of_another_type_is_warned_of_and_not_used(kind: str) -> None:
    warnings: list[str] = []
    texts = {"INPUT_CACHE-FROM": f"type={kind}\nacme/web:c", "INPUT_CACHE-TO": f"type={kind}"}
    inputs = read_environ(texts, "github", warnings.append)
    assert [str(source.place) for source in inputs.cache_from] == ["acme/web:c"]
    assert inputs.cache_to == ()
    name = kind.partition(",")[0]
    assert len(warnings) == 2
    assert all(
        f"of type {name} is not supported, so the build goes on without it" in text for text in warnings
    )


def test_the_image_may_be_the_cache() -> None:
    warnings: list[str] = []
    texts = {
        "INPUT_CACHE-FROM": f"acme/web@sha256:{'0' * 64}\ntype=inline",
        "INPUT_CACHE-TO": "type=inline",
    }
    inputs = read_environ(texts, "github", warnings.append)
    assert [str(source.place) for source in inputs.cache_from] == [f"acme/web@sha256:{'0' * 64}"]
    assert inputs.cache_to == (CacheTarget(place=None),)
    [told] = warnings
    assert "input cache-from: cache source of type inline is not supported" in told
    [fault] = faults(cache_to="type=inline,mode=max")
    assert "input cache-to: cache target 'inline': mode=max is not supported" in fault


def test_a_folder_of_a_cache_counts_from_the_workspace() -> None:
    warnings: list[str] = []
    texts = {
        "INPUT_CACHE-FROM": "type=local,src=.cache\ntype=local,src=/tmp/.buildx-cache",
        "INPUT_CACHE-TO": "type=local,dest=a/../../b,mode=max",
    }
    inputs = read_environ(texts, "github", warnings.append)
    near, far = (source.place for source in inputs.cache_from)
    assert isinstance(near, Path)
    assert near.is_absolute()
    assert (near.name, far) == (".cache", Path("/tmp/.buildx-cache"))
    assert [text.partition(" lies outside the workspace")[0] for text in warnings] == [
        "input cache-from: '/tmp/.buildx-cache'",
        f"input cache-to: '{near.parent}/a/../../b'",
    ]
    assert all("by its relative path" in text for text in warnings)


def test_faults_of_caches_come_together() -> None:
    [source, mode] = faults(
        cache_from="acme/web:c,mode=max",
        cache_to="type=registry,ref=acme/web:c,mdoe=max",
    )
    assert "input cache-from: " in source
    assert "input cache-to: cache target 'acme/web:c': there is no attribute 'mdoe'" in mode
    assert "did you mean mode?" in mode


def test_outputs_push_and_count_from_the_workspace() -> None:
    given = "type=image,name=acme/web,push-by-digest=true,push=true"
    inputs = read(outputs=f"{given}\ntype=local,dest=x", tags="acme/other")
    assert inputs.push
    assert inputs.push_by_digest
    assert inputs.outputs.names == ("acme/web",)
    assert [Path(output.dest).name for output in inputs.outputs.files] == ["x"]
    assert Path(inputs.outputs.files[0].dest).is_absolute()
    assert not read(outputs="type=image,push-by-digest=true").push_by_digest
    assert read(outputs="type=image,push-by-digest=true", push="true").push_by_digest
