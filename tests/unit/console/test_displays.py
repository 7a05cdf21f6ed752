import io
import json
import os
import re
from typing import Any

import jsonschema
import pytest

import incubator.events
from incubator.console import QuietConsole, make_console
from incubator.console.jsonl import JsonConsole, event_name
from incubator.console.plain import PlainConsole
from incubator.console.tty import TtyConsole
from incubator.dockerfile.source import Source, Span
from incubator.errors import Cancelled, InputError, StepFailed
from incubator.events import (
    BaseResolved,
    BuildFailed,
    BuildStarted,
    CacheUnused,
    Event,
    ImageBuilt,
    ImagePushed,
    ImageTagged,
    LayerCommitted,
    StageSkipped,
    StepFinished,
    StepOutput,
    StepRef,
    StepStarted,
    Transfer,
    WarningRaised,
    WriteFinished,
    WriteStarted,
)
from incubator.schema import load_schema

SPAN = Span(Source("Dockerfile", "FROM x\nRUN make\n"), 2, 2)
RUN = StepRef(number=2, total=3, stage="build", text="RUN make", span=SPAN)
COPY = StepRef(number=3, total=3, stage="build", text="COPY . .\n# two lines", span=SPAN)

STORY: list[Event] = [
    BuildStarted(
        build_id="ab12",
        dockerfile="Dockerfile",
        context=".",
        engine="Docker Engine 28.5.2",
        stages=("build",),
        steps=3,
        layers=2,
    ),
    Transfer(reference="busybox", direction="pull", current_bytes=500_000, total_bytes=2_000_000),
    BaseResolved(reference="busybox", image_id="sha256:" + "ab" * 32, pulled=True, duration_s=1.25),
    StepStarted(step=RUN),
    StepOutput(step=RUN, stream="stdout", data=b"one\ntw"),
    StepOutput(step=RUN, stream="stderr", data=b"\x1b[31mwarn\x1b[0m\n"),
    StepOutput(step=RUN, stream="stdout", data=b"o\n 50%\r100%"),
    StepFinished(step=RUN, duration_s=61.2),
    StepStarted(step=COPY),
    StepFinished(step=COPY, duration_s=0.0, cached=True),
    LayerCommitted(stage="build", steps=(RUN,), diff_id="sha256:" + "cd" * 32, size_bytes=1_234_567, duration_s=0.3),
    LayerCommitted(stage="build", steps=(COPY,), diff_id=None, size_bytes=12, duration_s=0, cached=True),
    WarningRaised(message="old form", rule="maintainer-deprecated", span=SPAN),
    StageSkipped(stage="tools"),
    CacheUnused(cache="acme/web:cache"),
    ImageBuilt(image_id="sha256:" + "ef" * 32, duration_s=63.0),
    ImageTagged(reference="app:1"),
    ImagePushed(reference="app:1", digest="sha256:" + "12" * 32, duration_s=2.0),
    WriteStarted(what="cache", target="host/app:cache"),
    WriteFinished(what="cache", target="host/app:cache", duration_s=3.0),
]  # fmt: skip


EVENTS = {
    kind
    for kind in vars(incubator.events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines() -> None:
    out = io.StringIO()
    console = PlainConsole(out, clock=Clock())
    for event in STORY:
        console(event)
    console.close()
    assert out.getvalue().splitlines() == [
        "building Dockerfile (context .) on Docker Engine 28.5.2: 1 stage, 3 steps, 2 layers",
        "pulling busybox: 500.0 kB of 2.0 MB (25 %)",
        "base busybox: sha256:abababababab, pulled in 1.2 s",
        "[build 2/3] RUN make",
        "[build 2/3] | one",
        "[build 2/3] | warn",
        "[build 2/3] | two",
        "[build 2/3] | 100%",
        "[build 2/3] done in 1 min 01 s",
        "[build 3/3] COPY . . # two lines",
        "[build 3/3] CACHED",
        "layer sha256:cdcdcdcdcdcd of build: 1.2 MB in 0.3 s, 1 step",
        "layer of build: 12 B CACHED, 1 step",
        "warning: Dockerfile:2:1: old form [maintainer-deprecated]",
        "stage tools: not made, all that reads it is kept from earlier builds",
        "nothing is found in the cache acme/web:cache",
        f"built sha256:{'ef' * 32} in 1 min 03 s",
        "tagged app:1",
        f"pushed app:1@sha256:{'12' * 32} in 2.0 s",
        "writing the cache host/app:cache",
        "writing the cache host/app:cache: done in 3.0 s",
    ]


def test_plain_tells_of_failure_and_cancellation() -> None:
    clock = Clock()
    for error, word in ((StepFailed("x", exit_status=1), "FAILED"), (Cancelled(2), "cancelled")):
        out = io.StringIO()
        console = PlainConsole(out, clock=clock)
        console(StepStarted(step=RUN))
        console(StepOutput(step=RUN, stream="stdout", data=b"no line end"))
        clock.now += 3
        console(BuildFailed(error=error))
        console.close()
        assert out.getvalue().splitlines() == [
            "[build 2/3] RUN make",
            "[build 2/3] | no line end",
            f"[build 2/3] {word} after 3.0 s",
        ]


def test_plain_shows_long_progress_now_and_then() -> None:
    out, clock = io.StringIO(), Clock()
    console = PlainConsole(out, clock=clock)
    console(StepStarted(step=RUN))
    for percent in range(100):
        console(StepOutput(step=RUN, stream="stderr", data=f"\r{percent}%".encode()))
        clock.now += 1
    shown = [line for line in out.getvalue().splitlines() if "%" in line]
    assert 8 <= len(shown) <= 11
    for transfer in range(100):
        console(Transfer(reference="x", direction="push", current_bytes=transfer, total_bytes=100))
        clock.now += 0.5
    assert len([line for line in out.getvalue().splitlines() if "pushing x" in line]) == 10


@pytest.mark.parametrize(
    ("sent", "words"), [(None, ""), (0, ", all layers were there"), (3_400_000, ", 3.4 MB of new layers")]
)
def test_a_push_says_what_has_travelled(sent: int | None, words: str) -> None:
    out = io.StringIO()
    PlainConsole(out)(ImagePushed(reference="app:1", digest="sha256:x", duration_s=2.0, sent_bytes=sent))
    assert out.getvalue() == f"pushed app:1@sha256:x in 2.0 s{words}\n"


def test_plain_has_no_codes_and_hostile_words_stay_on_their_line() -> None:
    out = io.StringIO()
    console = PlainConsole(out)
    bad = "x\x1b[2J\n::error::\r\x9b1m"
    step = StepRef(number=1, total=1, stage=bad, text=bad)
    console(StepStarted(step=step))
    console(StepOutput(step=step, stream="stdout", data=bad.encode()))
    console(StepFinished(step=step, duration_s=1))
    console(WarningRaised(message=bad))
    console(ImageTagged(reference=bad))
    assert not re.search(r"[^\x20-\x7e\n]", out.getvalue())
    assert not any(line.startswith("::") for line in out.getvalue().splitlines())


def test_forced_colour_marks_steps() -> None:
    out = io.StringIO()
    console = PlainConsole(out, colour=True)
    console(StepStarted(step=RUN))
    assert out.getvalue() == "\x1b[36m[build 2/3]\x1b[0m RUN make\n"


class Screen:
    """Just enough of a terminal: newline, carriage return, cursor up, erase below; wraps at its width."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[str] = [""]
        self.row = self.column = 0

    def feed(self, text: str) -> None:
        for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.|\n", text, re.DOTALL):
            if token == "\n":
                self.row, self.column = self.row + 1, 0
            elif token == "\r":
                self.column = 0
            elif token.startswith("\x1b["):
                if token.endswith("A"):
                    self.row = max(0, self.row - int(token[2:-1]))
                elif token.endswith("J"):
                    self.rows[self.row] = self.rows[self.row][: self.column]
                    del self.rows[self.row + 1 :]
                else:
                    assert token.endswith("m"), token
            else:
                if self.column >= self.columns:
                    self.row, self.column = self.row + 1, 0
                    self._fill()
                line = self.rows[self.row]
                self.rows[self.row] = line[: self.column].ljust(self.column) + token + line[self.column + 1 :]
                self.column += 1
            self._fill()

    def _fill(self) -> None:
        while len(self.rows) <= self.row:
            self.rows.append("")

    def text(self) -> list[str]:
        return [row.rstrip() for row in self.rows if row.strip()]


def play(
    events: list[Event], columns: int = 80, rows: int = 24, *, close: bool = True
) -> tuple[list[str], io.StringIO]:
    out = io.StringIO()
    console = TtyConsole(out, clock=Clock(), timer=False)
    console._out.columns = lambda: columns  # type: ignore[method-assign]
    console._out.rows = lambda: rows  # type: ignore[method-assign]
    for event in events:
        console(event)
    if close:
        console.close()
    screen = Screen(columns)
    screen.feed(out.getvalue())
    return screen.text(), out


def test_terminal_while_a_step_runs() -> None:
    text, _ = play(STORY[:7], close=False)
    assert text == [
        "building Dockerfile (context .) on Docker Engine 28.5.2: 1 stage, 3 steps, 2 lay",
        "ers",
        " => base busybox: sha256:abababababab, pulled in 1.2 s",
        "[+] Building 0.0 s (0/3)",
        " => [build 2/3] RUN make" + " " * 50 + "0.0 s",
        " => => # one",
        " => => # warn",
        " => => # two",
        " => => # 100%",
    ]


def test_terminal_while_an_image_is_pulled() -> None:
    text, _ = play(STORY[:2], close=False)
    assert text[-1] == f"{' => pulling busybox [=====>              ] 500.0 kB / 2.0 MB':<74}0.0 s"


def test_terminal_at_the_end() -> None:
    text, _ = play(STORY, columns=100)
    assert text[1:] == [
        " => base busybox: sha256:abababababab, pulled in 1.2 s",
        f"{' => [build 2/3] RUN make':<89}1 min 01 s",
        f"{' => CACHED [build 3/3] COPY . . # two lines':<94}0.0 s",
        "warning: Dockerfile:2:1: old form [maintainer-deprecated]",
        " => stage tools: not made, all that reads it is kept from earlier builds",
        " => nothing is found in the cache acme/web:cache",
        " => tagged app:1",
        f" => pushed app:1@sha256:{'12' * 32} in 2.0 s"[:100],
        " => writing the cache host/app:cache",
        " => writing the cache host/app:cache: done in 3.0 s",
    ]


def test_displays_say_why_a_layer_is_not_from_the_cache() -> None:
    event = LayerCommitted(
        stage="build",
        steps=(COPY,),
        diff_id=None,
        size_bytes=12,
        duration_s=0,
        not_cached="COPY app\x1b[2J/ changed",
    )
    out = io.StringIO()
    PlainConsole(out, clock=Clock())(event)
    assert out.getvalue() == "layer of build: 12 B in 0.0 s, 1 step; not cached: COPY app/ changed\n"
    text, _ = play([event])
    assert text == [" => [build] not cached: COPY app/ changed"]


def test_terminal_shows_what_failed() -> None:
    text, _ = play([*STORY[:7], BuildFailed(error=StepFailed("x", exit_status=1))])
    assert text[-1].startswith(" => FAILED [build 2/3] RUN make")
    assert "[+] Building" not in "\n".join(text)


@pytest.mark.parametrize("columns", [1, 2, 5, 10, 17, 30, 80, 200])
@pytest.mark.parametrize("rows", [1, 3, 8, 24])
def test_any_size_of_terminal_leaves_no_rubbish(columns: int, rows: int) -> None:
    noisy: list[Event] = [
        StepOutput(step=RUN, stream="stdout", data=f"noise {n} {'日本語' * n}\n".encode()) for n in range(30)
    ]
    text, out = play([*STORY[:7], StepStarted(step=COPY), *noisy, *STORY[7:]], columns, rows)
    shown = "".join(text)
    assert "noise" not in shown
    assert "Building" not in shown
    live = re.split(r"\x1b\[\d+A\r\x1b\[J", out.getvalue())
    assert len(live) > 30


def test_the_part_that_is_redrawn_fits_the_screen() -> None:
    steps = [StepRef(number=n, total=40, stage="s", text=f"RUN {n}") for n in range(40)]
    out = io.StringIO()
    console = TtyConsole(out, clock=Clock(), timer=False)
    console._out.rows = lambda: 12  # type: ignore[method-assign]
    for step in steps:
        console(StepStarted(step=step))
        console(StepOutput(step=step, stream="stdout", data=b"a\nb\nc\n"))
        assert len(console._drawn) <= 11


def test_a_narrowed_terminal_is_erased_as_it_has_wrapped() -> None:
    out = io.StringIO()
    console = TtyConsole(out, clock=Clock(), timer=False)
    console._out.columns = lambda: 80  # type: ignore[method-assign]
    console(StepStarted(step=RUN))
    console._out.columns = lambda: 40  # type: ignore[method-assign]
    console(StepOutput(step=RUN, stream="stdout", data=b"x"))
    assert "\x1b[3A" in out.getvalue()  # the head took one row, the step 79 columns: two rows


def test_terminal_without_colours() -> None:
    out = io.StringIO()
    console = TtyConsole(out, colour=False, clock=Clock(), timer=False)
    for event in STORY:
        console(event)
    console.close()
    assert not re.search(r"\x1b\[[0-9;]*m", out.getvalue())
    assert "\x1b[J" in out.getvalue()


def test_the_timer_redraws_and_ends() -> None:
    out = io.StringIO()
    console = TtyConsole(out)
    console(StepStarted(step=RUN))
    for _ in range(100):
        if "RUN make" in out.getvalue():
            break
        console._closed.wait(0.05)
    assert "RUN make" in out.getvalue()
    console.close()
    assert console._timer is not None
    assert not console._timer.is_alive()


def test_json_lines_follow_the_schema() -> None:
    out = io.StringIO()
    console = JsonConsole(out, now=lambda: 1700000000.12345)
    failed = BuildFailed(error=InputError("m", span=SPAN, hint="h"), step=RUN)
    for event in [*STORY, failed]:
        console(event)
    console.close()
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    validator = jsonschema.Draft202012Validator(load_schema("events"))
    for record in records:
        validator.validate(record)
    kinds = {event_name(kind) for kind in EVENTS}
    assert (
        {record["event"] for record in records}
        == kinds
        == set(load_schema("events")["properties"]["event"]["enum"])
    )
    assert records[3] == {
        "version": 1,
        "event": "step-started",
        "time": 1700000000.123,
        "step": {
            "number": 2, "total": 3, "stage": "build", "text": "RUN make",
            "span": {"file": "Dockerfile", "first_line": 2, "last_line": 2, "column": 1}, "platform": "",
        },
        "platform": "",
    }  # fmt: skip
    assert records[5]["data"] == "\x1b[31mwarn\x1b[0m\n"
    assert records[-1]["error"] == {
        "kind": "InputError", "message": "m", "hint": "h", "exit_code": 2, "span": records[3]["step"]["span"],
    }  # fmt: skip


def test_every_event_is_in_the_story() -> None:
    assert {type(event) for event in STORY} | {BuildFailed} == EVENTS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("mode", "terminal", "environ", "kind"),
    [
        ("auto", True, {"TERM": "xterm"}, TtyConsole),
        ("auto", True, {"TERM": "dumb"}, PlainConsole),
        ("auto", True, {}, PlainConsole),
        ("auto", False, {"TERM": "xterm"}, PlainConsole),
        ("plain", True, {"TERM": "xterm", "FORCE_COLOR": "1"}, PlainConsole),
        ("tty", True, {}, TtyConsole),
        ("quiet", True, {}, QuietConsole),
        ("rawjson", True, {}, JsonConsole),
    ],
)
def test_choosing_a_display(mode: Any, terminal: bool, environ: dict[str, str], kind: type) -> None:
    console = make_console(mode, Terminal() if terminal else io.StringIO(), environ)
    assert type(console) is kind
    console.close()


@pytest.mark.parametrize(
    ("terminal", "environ", "colour"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours(terminal: bool, environ: dict[str, str], colour: bool) -> None:
    out = Terminal() if terminal else io.StringIO()
    console = make_console("auto", out, environ)
    console(StepStarted(step=RUN))
    console(StepFinished(step=RUN, duration_s=1))
    console.close()
    assert bool(re.search(r"\x1b\[[0-9;]+m", out.getvalue())) is colour


def test_plain_on_request_is_plain_even_with_forced_colour() -> None:
    out = io.StringIO()
    make_console("plain", out, {"FORCE_COLOR": "1"})(StepStarted(step=RUN))
    assert "\x1b" not in out.getvalue()


def test_tty_needs_a_terminal() -> None:
    with pytest.raises(InputError, match="needs a terminal"):
        make_console("tty", io.StringIO(), {})


@pytest.mark.parametrize("mode", ["plain", "rawjson", "quiet"])
def test_a_closed_pipe_does_not_raise(mode: Any) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        console = make_console(mode, out, {})
        for event in STORY:
            console(event)
        console.close()


def test_characters_that_the_stream_lacks_become_escapes() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    PlainConsole(out)(ImageTagged(reference="ü日"))
    assert raw.getvalue() == b"tagged \\xfc\\u65e5\n"
