"""Records what BuildKit makes of the cases in tests/data/plans, for the planner's tests to be compared with.

    DOCKER_HOST=... python scripts/record_plans.py

Needs an engine with buildx and `busybox:latest`. Writes recorded.json beside the cases: each case with `made`, which
holds the image's config and author and the history lines of its RUNs, or is null where BuildKit refuses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "plans"
HEAD = "=== "
BASE = "unit-base:1"
BASE_CHANGES = [
    "ENV A=1", "ENV B=2", 'CMD ["x"]', "WORKDIR /base", "USER u", "LABEL z=1", "EXPOSE 1", "VOLUME /v",
]  # fmt: skip


def read_cases() -> Iterator[tuple[str, dict[str, str], str]]:
    """Name, build arguments and Dockerfile of each case."""
    for block in f"\n{(FOLDER / 'cases.txt').read_text()}".split(f"\n{HEAD}")[1:]:
        head, _, text = block.partition("\n")
        name, *pairs = head.split()
        yield name, dict(pair.split("=", 1) for pair in pairs), f"{text.rstrip()}\n"


def main() -> int:
    """Record all cases; 1 where one cannot be built and should."""
    api: Any = docker.APIClient(base_url=os.environ.get("DOCKER_HOST"), version="auto")
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "a").write_text("a\n")
        archive = subprocess.run(["tar", "-C", folder, "-c", "a"], stdout=subprocess.PIPE, check=True).stdout
        api.import_image_from_data(archive, repository=BASE, changes=BASE_CHANGES)
        bases = {name: api.inspect_image(name)["Config"] for name in ("busybox", BASE)}
        cases = {
            name: {"args": args, "dockerfile": text, "made": record(api, context, args, text)}
            for name, args, text in read_cases()
        }
    recorded = {"engine": api.version()["Version"], "bases": bases, "cases": cases}
    (FOLDER / "recorded.json").write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(cases)} cases, {sum(case['made'] is None for case in cases.values())} refused")
    return 0


def record(api: Any, context: Path, args: dict[str, str], text: str) -> dict[str, Any] | None:
    """What BuildKit makes of one Dockerfile; None where it refuses."""
    id_file = context.with_suffix(".iid")
    build_args = [word for pair in args.items() for word in ("--build-arg", "=".join(pair))]
    command = ["docker", "buildx", "build", "--network", "none", "--provenance=false", "--load"]
    done = subprocess.run(
        [*command, "--iidfile", id_file, *build_args, "-f", "-", context],
        input=text,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stderr.rstrip().splitlines()[-1])
        return None
    image = id_file.read_text()
    data = api.inspect_image(image)
    runs = [
        line["CreatedBy"] for line in reversed(api.history(image)) if line["CreatedBy"].startswith("RUN ")
    ]
    if not data["RepoTags"]:
        api.remove_image(image)
    return {
        "config": {key: value for key, value in data["Config"].items() if value},
        "author": data.get("Author") or "",
        "runs": [line.removesuffix(" # buildkit") for line in runs],
    }


if __name__ == "__main__":
    sys.exit(main())
