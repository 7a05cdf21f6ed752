"""The layer's shell script in real shells, and the marks in its output at every cut."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.script import (
    CANNOT_ENTER,
    MarkFinder,
    fits_shell,
    quote,
    step_script,
    without_engine_variables,
)

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
KILL = b"kill -9 -1 2>/dev/null; "
MARK = "\x1emark:"
OUTER = {"PATH": os.environ["PATH"], "HOSTNAME": "h", "TERM": "xterm", "container": "podman", "HOME": "/root"}


def command(shell: str) -> list[str]:
    return [shell, "sh", "-s"] if shell == "busybox" else [shell, "-s"]


def harmless(script: bytes) -> bytes:
    """The script without the line that would kill this machine's processes."""
    assert script.count(KILL) == 1
    return script.replace(KILL, b"")


def without_peaks(output: bytes) -> bytes:
    """Output without the memory that marks tell, which is this machine's."""
    return re.sub(rb"(\x1emark:-?\d+):\d*", rb"\1", output)


def run(shell: str, *scripts: bytes) -> tuple[list[tuple[bytes, int]], bytes]:
    """Standard output and status of each script, run one after the other in one shell; its standard error."""
    done = subprocess.run(
        command(shell),
        input=b"".join(harmless(script) for script in scripts),
        capture_output=True,
        env=OUTER,
        check=True,
        timeout=20,
    )
    *steps, rest = done.stdout.split(MARK.encode())
    ends = [rest, *(step.partition(b"\n")[0] for step in steps[1:])]
    ends = ends[1:] + ends[:1]
    outputs = [steps[0], *(step.partition(b"\n")[2] for step in steps[1:])]
    return [(out, int(end.partition(b":")[0])) for out, end in zip(outputs, ends, strict=True)], done.stderr


def script(
    *argv: str, env: dict[str, str] | None = None, cwd: str = "/", path: str | None = OUTER["PATH"]
) -> bytes:
    given = ({"PATH": path} if path else {}) | (env or {})
    return step_script(argv, env=given.items(), cwd=cwd, mark=MARK)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
raw = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"").decode(errors="surrogateescape"))


# -- quote ------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.lists(words | raw | st.text("'\"\\$`!\n\t #~*", max_size=8), max_size=30))
def test_a_shell_gets_back_what_was_quoted(texts: list[str]) -> None:
    line = " ".join(["printf", "'%s\\0'", *map(quote, texts)])
    done = subprocess.run(
        ["sh", "-c", line.encode(errors="surrogateescape")], stdout=subprocess.PIPE, check=True
    )
    wanted = [text.encode(errors="surrogateescape") for text in texts or [""]]
    assert done.stdout.split(b"\0")[:-1] == wanted


def test_quotes_are_one_word() -> None:
    assert quote("") == "''"
    assert quote("it's") == "'it'\\''s'"


# -- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["A", "_a", "a1", "PATH", "HOME", "http_proxy", "IFS", "TERM", "HOSTNAME"])
def test_names_that_a_shell_can_export(name: str) -> None:
    assert fits_shell(["X", name])


@pytest.mark.parametrize(
    "name",
    ["", "1a", "a.b", "a-b", "a b", "é", "a\n", "A=B", "UID", "PWD", "SHLVL", "_", "PPID", "RANDOM", "ENV"],
)
def test_names_that_no_shell_exports_as_they_are(name: str) -> None:
    assert not fits_shell(["X", name])


def test_no_names_fit() -> None:
    assert fits_shell([])


@pytest.mark.parametrize(
    "name", ["IFS", "PS1", "PS4", "OPTARG", "MAIL", "CDPATH", "LANG", "LC_ALL", "BASH_ENV"]
)
def test_names_that_mean_something_to_a_shell_still_arrive(shell: str, name: str) -> None:
    [(out, status)], _ = run(shell, script("/usr/bin/env", "-0", env={name: "a b/c"}))
    assert status == 0
    assert f"{name}=a b/c".encode() in out.split(b"\0")


# -- one step ---------------------------------------------------------------------------------------------


def test_environment_is_exact(shell: str) -> None:
    odd = {
        "EMPTY": "", "NEWLINES": "a\nb\n", "QUOTES": "it's \"q\" `x` $HOME \\", "TAB": "\t", "GLOB": "* ?",
        "EQ": "a=b=c", "WIDE": "é\u2028\U0001f600", "RAW": "\udcff\udc80", "lower_case9": "x", "DASH": "-n", "IFS": ",",
    }  # fmt: skip
    [(out, status)], err = run(shell, script("/usr/bin/env", "-0", env=odd))
    assert (status, err.strip()) == (0, f"{MARK}0".encode())
    got = set(out.split(b"\0")) - {b"", b"_=/usr/bin/env", b"SHLVL=0"}  # bash's own, which exec brings back
    wanted = OUTER | odd
    for name in ("HOSTNAME", "TERM", "container"):
        del wanted[name]
    assert got == {f"{name}={value}".encode(errors="surrogateescape") for name, value in wanted.items()}


def test_engine_variables_stay_where_they_are_given(shell: str) -> None:
    given = {"TERM": "vt100", "HOSTNAME": "own", "container": ""}
    [(out, _)], _ = run(shell, script("/usr/bin/env", "-0", env=given))
    assert {f"{name}={value}".encode() for name, value in given.items()} <= set(out.split(b"\0"))


def test_nothing_given(shell: str) -> None:
    [(out, status)], _ = run(shell, script("/bin/echo", "hi", path=None))
    assert (out, status) == (b"hi\n", 0)


def test_arguments_are_exact(shell: str) -> None:
    argv = ["a b", "", "'", '"', "$HOME", "\n", "\\n", "-e", "é", "\udcff", "*", "~", ";ls"]
    [(out, status)], _ = run(shell, script("/usr/bin/printf", "%s\\0", *argv))
    assert status == 0
    assert out.split(b"\0")[:-1] == [word.encode(errors="surrogateescape") for word in argv]


def test_folder(shell: str, tmp_path: Path) -> None:
    odd = tmp_path / "it's $HOME"
    odd.mkdir()
    [(out, _)], _ = run(shell, script("/bin/sh", "-c", "pwd", cwd=str(odd)))
    assert out == f"{odd}\n".encode()


def test_a_folder_behind_a_link_is_where_it_leads(shell: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    link = str(tmp_path / "link")
    [(out, _), (own, _)], _ = run(
        shell, script("/bin/sh", "-c", "pwd", cwd=link), script("/bin/pwd", "-L", cwd=link)
    )
    assert out == own == f"{tmp_path.resolve() / 'real'}\n".encode()


def test_a_folder_that_cannot_be_entered_has_a_status_of_its_own(shell: str, tmp_path: Path) -> None:
    [(out, status), (after, _)], err = run(
        shell, script("/bin/echo", "not run", cwd=str(tmp_path / "none")), script("/bin/echo", "next")
    )
    assert status == CANNOT_ENTER
    assert (out, after) == (b"", b"next\n")
    assert b"none" not in err


@pytest.mark.parametrize("status", [0, 1, 2, 42, 126, 127, 137, 255])
def test_exit_status(shell: str, status: int) -> None:
    [(_, found)], err = run(shell, script("/bin/sh", "-c", f"exit {status}"))
    assert found == status
    assert err == f"{MARK}{status}\n".encode()


def test_a_signal_is_128_and_its_number(shell: str) -> None:
    [(_, status)], _ = run(shell, script("/bin/sh", "-c", "kill -TERM $$"))
    assert status == 143


def test_a_missing_command_is_127_and_one_without_rights_126(shell: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [(_, missing), (_, refused)], _ = run(shell, script("/no/such"), script(str(tmp_path / "file")))
    assert (missing, refused) == (127, 126)


@pytest.mark.parametrize("builtin", ["cd", "exit", "export", "eval", "umask"])
def test_an_exec_form_command_is_no_builtin(shell: str, builtin: str) -> None:
    [(_, status)], _ = run(shell, script(builtin, "/", path="/nowhere"))
    assert status == 127


def test_standard_input_is_empty_and_the_script_goes_on(shell: str) -> None:
    [(out, _), (after, _)], _ = run(
        shell, script("/bin/sh", "-c", "cat; echo read; cat <&0"), script("/bin/echo", "next")
    )
    assert (out, after) == (b"read\n", b"next\n")


def test_steps_leave_nothing_for_the_next(shell: str) -> None:
    first = script("/bin/sh", "-c", "cd /tmp; export X=1; umask 0; exit 3", env={"Y": "2"}, cwd="/usr")
    [(_, status), (out, _)], _ = run(
        shell, first, script("/bin/sh", "-c", 'echo "$X$Y$PWD"; umask; echo "$#$*"')
    )
    assert status == 3
    assert out == b"/\n0022\n0\n"


def test_the_mark_stands_on_both_streams_behind_all_output(shell: str) -> None:
    done = subprocess.run(
        command(shell),
        input=harmless(script("/bin/sh", "-c", "printf out; printf err >&2")),
        capture_output=True,
        env=OUTER,
        check=True,
    )
    assert without_peaks(done.stdout) == f"out{MARK}0\n".encode()
    assert done.stderr == f"err{MARK}0\n".encode()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"),
    reason="a pid namespace of its own needs root and unshare",
)
def test_what_a_step_left_running_is_killed(shell: str, tmp_path: Path) -> None:
    beat = {"F": str(tmp_path / "beat")}
    left = script("/bin/sh", "-c", '(while :; do echo >>"$F"; sleep 0.01; done) & sleep 0.1', env=beat)
    look = 'a=$(wc -c <"$F"); sleep 0.1; b=$(wc -c <"$F"); if [ "$a" = "$b" ]; then echo dead; fi; exit 5'
    alive = script("/bin/sh", "-c", look, env=beat)
    done = subprocess.run(
        ["unshare", "--pid", "--fork", *command(shell)],
        input=left + alive,
        capture_output=True,
        env=OUTER,
        check=True,
        timeout=20,
    )
    assert without_peaks(done.stdout) == f"{MARK}0\ndead\n{MARK}5\n".encode()
    assert (tmp_path / "beat").stat().st_size > 1


# -- commands beside the shell ----------------------------------------------------------------------------


@pytest.mark.parametrize(("home", "wanted"), [("/root", "/root"), ("", "/"), (None, "/")])
def test_a_command_of_its_own_has_no_variables_of_the_engine_either(home: str | None, wanted: str) -> None:
    argv = without_engine_variables(["/usr/bin/printenv", "-0"], ["TERM", "A.B"])
    outer = {**OUTER, "TERM": "own", "A.B": "x y", "SHLVL": "3"} | ({} if home is None else {"HOME": home})
    if home is None:
        del outer["HOME"]
    done = subprocess.run(argv, env=outer, stdout=subprocess.PIPE, check=True)
    got = set(done.stdout.split(b"\0")) - {b""}
    wanted_all = {b"TERM=own", f"PATH={OUTER['PATH']}".encode(), f"HOME={wanted}".encode()}
    assert got - {b"A.B=x y"} == wanted_all


def test_a_command_of_its_own_keeps_its_arguments_and_status() -> None:
    argv = without_engine_variables(
        ["/bin/sh", "-c", 'printf "<%s>" "$0" "$@"; exit 7', "a b", "", "'$x"], []
    )
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    assert (done.stdout, done.returncode) == (b"<a b><><'$x>", 7)


# -- marks ------------------------------------------------------------------------------------------------


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


MARK_BYTES = b"\x1eab\x1eabc:"
teasing = st.lists(
    st.sampled_from(
        [b"\x1e", b"\x1ea", b"\x1eab", b"\x1eab\x1eab", b"\x1eab\x1eabc", b"a", b"b", b":", b"1", b"\n"]
    )
    | st.binary(max_size=6),
    max_size=12,
).map(b"".join)


@settings(max_examples=100)
@given(teasing.filter(lambda data: MARK_BYTES not in data), st.lists(st.integers(0, 200), max_size=20))
def test_output_without_a_mark_is_kept_byte_for_byte(data: bytes, places: list[int]) -> None:
    finder = MarkFinder(MARK_BYTES)
    out = b"".join(finder.feed(chunk) for chunk in cut(data, places))
    assert out + finder.rest() == data
    assert finder.status is None
    assert finder.rest() == b""


@settings(max_examples=100)
@given(
    teasing.filter(lambda data: (data + MARK_BYTES).index(MARK_BYTES) == len(data)),
    st.integers(0, 255),
    teasing.filter(lambda data: MARK_BYTES not in data),
    st.lists(st.integers(0, 200), max_size=20),
)
def test_output_before_a_mark_and_the_status_whatever_the_cuts(
    data: bytes, status: int, after: bytes, places: list[int]
) -> None:
    finder = MarkFinder(MARK_BYTES)
    out = b""
    for chunk in cut(data + MARK_BYTES + str(status).encode() + b"\n" + after, places):
        if finder.status is None:
            out += finder.feed(chunk)
            assert data.startswith(out)
        else:  # what comes later is not lost either
            out += finder.feed(chunk)
    assert finder.status == status
    assert out + finder.rest() == data + after


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_output_is_not_held_back_longer_than_needed(size: int) -> None:
    finder = MarkFinder(b"\x1emark:")
    data = b"plain \x1emar text"
    seen = b""
    for start in range(0, len(data), size):
        seen += finder.feed(data[start : start + size])
        assert len(data[: start + size]) - len(seen) < len(b"\x1emark:")
    assert seen == data


def test_a_mark_cut_within_its_status() -> None:
    finder = MarkFinder(b"\x1emark:")
    assert finder.feed(b"out\x1emark:1") == b"out"
    assert finder.status is None
    assert finder.feed(b"2") == b""
    assert finder.feed(b"7\nmore") == b""
    assert finder.status == 127
    assert finder.rest() == b"more"


def test_a_stream_that_ends_within_the_mark_keeps_what_it_held() -> None:
    finder = MarkFinder(b"\x1emark:")
    assert finder.feed(b"out\x1ema") == b"out"
    assert finder.rest() == b"\x1ema"


@pytest.mark.parametrize(
    ("told", "status", "peak"),
    [(b"0:123", 0, 123), (b"1:", 1, None), (b"-1:x", -1, None), (b"2:1\r", 2, None)],
)
def test_the_mark_bears_the_most_memory_used(told: bytes, status: int, peak: int | None) -> None:
    finder = MarkFinder(MARK.encode())
    assert finder.feed(b"out" + MARK.encode() + told + b"\n") == b"out"
    assert (finder.status, finder.peak_bytes) == (status, peak)
