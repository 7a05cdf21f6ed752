"""A layer cache whose index is a JSON file, given to `build(cache=...)`.

    client = DockerClient.from_env()
    build(path=".", container_client=client, cache=JsonCache("layers.json", client))

The index may be kept between jobs. Images stay on the engine, under references of the cache's own: a build removes
those of its intermediate images when it ends.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incubator.core.engine import Engine


class JsonCache:
    """Maps keys of layers to references on the engine. Calls come from several threads, so they take turns."""

    def __init__(self, path: str | Path, engine: Engine, *, repository: str = "layers-of-my-builds") -> None:
        self._path = Path(path)
        self._engine = engine
        self._repository = repository
        self._lock = threading.Lock()

    def find(self, key: str) -> str | None:
        """The reference for `key`; one that the engine has lost is no harm, the layer is made again."""
        with self._lock:
            return self._read().get(key)

    def store(self, key: str, image: str) -> None:
        """Name the image and write the name down."""
        reference = f"{self._repository}:{key}"
        self._engine.tag(image, reference)
        with self._lock:
            index = self._read() | {key: reference}
            temporary = self._path.with_name(f"{self._path.name}.new")
            temporary.write_text(json.dumps(index, indent=2, sort_keys=True))
            temporary.replace(self._path)

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return {}
