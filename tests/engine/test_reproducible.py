"""With SOURCE_DATE_EPOCH one checkout gives one digest, wherever it is built."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from incubator.oci.image_config import digest_of
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.conftest import ENGINES
from tests.engine.conftest import make_bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle

EPOCH = 1_700_000_000
FILES = {"src/main.txt": "main\n", "src/deep/er.txt": "deeper\n", "b.txt": "b\n"}
DOCKERFILE = """\
FROM scratch AS files
COPY src /out/
FROM scratch
WORKDIR /srv/app
COPY --chown=5:6 --chmod=640 src .
ADD b.txt /srv/
COPY <<EOF /etc/greeting
hello
EOF
LABEL a=b
CMD ["/srv/app/main"]
"""


def test_one_digest_on_every_engine(
    start_engine: Callable[[str], EngineHandle],
    registry: RegistryHandle,
    tmp_path: Path,
) -> None:
    repository = f"{registry.address}/reproducible/{secrets.token_hex(6)}"
    digests = {}
    for number, name in enumerate(ENGINES):
        (tmp_path / name).mkdir()
        for bench in make_bench(start_engine(name), tmp_path / name):
            bench.write(FILES)
            for file in bench.folder.rglob("*.txt"):  # a checkout of another day
                os.utime(file, (EPOCH + number, EPOCH + 1000 * number))
            bench.build(
                DOCKERFILE, tag=f"{repository}:{name}", push=True, load=False, source_date_epoch=EPOCH
            )
            with Registries(Credentials()) as registries:
                found = registries.repository(repository).resolve(name)
            assert found
            digests[name] = found.digest
    assert len(digests) == len(ENGINES)
    assert len(set(digests.values())) == 1, digests


def test_one_id_where_the_base_is_the_same(
    start_engine: Callable[[str], EngineHandle], tmp_path: Path
) -> None:
    """On the engines themselves, whose stores keep images each in its own way, the config is the same."""
    configs = {}
    for name in ENGINES:
        (tmp_path / name).mkdir()
        for bench in make_bench(start_engine(name), tmp_path / name):
            result = bench.build(DOCKERFILE, FILES, source_date_epoch=EPOCH)
            configs[name] = [layer.diff_id for layer in result.layers]
            assert bench.build(DOCKERFILE, FILES, source_date_epoch=EPOCH).id == result.id
    assert len({digest_of(repr(config).encode()) for config in configs.values()}) == 1, configs
