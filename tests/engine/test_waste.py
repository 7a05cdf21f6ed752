"""What layers of a real build store in vain, and that it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incubator.events import WarningRaised

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

BIG = "head -c 3000000 /dev/urandom"  # some stores tell compressed sizes
HINT = ": let them share a layer (option `layers`, or one RUN)"


def warnings(bench: Bench, dockerfile: str, **options: Any) -> list[str]:
    bench.events.clear()
    bench.build(dockerfile, **options)
    found = [event for event in bench.events if isinstance(event, WarningRaised)]
    return [event.message for event in found]


def test_what_a_later_layer_deletes_or_stores_again(bench: Bench) -> None:
    text = (
        f"FROM busybox\nRUN {BIG} > /kept; {BIG} > /gone; mkdir /d; {BIG} > /d/also\nRUN echo small > /s\n"
        "RUN rm -r /gone /d\nRUN chmod 600 /kept\n"
    )
    assert warnings(bench, text) == [
        f"RUN at line 2 left 6 MB that RUN at line 4 deletes{HINT}",
        f"RUN at line 2 left 3 MB that RUN at line 5 stores again{HINT}",
    ]
    assert warnings(bench, text, layers=[0]) == []


def test_a_copied_archive_and_mounts_and_stages(docker28: Bench) -> None:
    docker28.write({"app.bin": "x" * 2_000_000})
    copied = "COPY app.bin /tmp/\nRUN mv /tmp/app.bin /app\n"
    says = f"COPY at line 2 left 2 MB that RUN at line 3 deletes{HINT}"
    assert warnings(docker28, f"FROM busybox\n{copied}") == [says]
    mounted = copied.replace("RUN", "RUN --mount=type=tmpfs,target=/t")
    assert warnings(docker28, f"FROM busybox\n{mounted}") == [says]
    assert warnings(docker28, f"FROM busybox AS a\n{copied}FROM a\nRUN echo x > /x\n") == [says]
    other = f"FROM busybox AS a\n{copied}FROM busybox\nCOPY --from=a /app /app\n"
    assert warnings(docker28, other) == [], "files of another stage are not in the image"


def test_layers_from_the_cache_are_not_looked_at(docker28: Bench) -> None:
    text = f"FROM busybox\nRUN {BIG} > /gone; : {docker28.folder}\nRUN rm /gone\n"
    assert len(warnings(docker28, text, no_cache=False)) == 1
    assert warnings(docker28, text, no_cache=False) == []
