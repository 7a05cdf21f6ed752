"""Plans out of Dockerfile text: the lookup of base images is a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incubator.core.plan.make import PlanOptions, make_plan
from incubator.core.plan.model import BaseImage
from incubator.dockerfile import Source, parse
from incubator.errors import InputError, RegistryError
from incubator.oci.image_config import ImageConfig, RuntimeConfig
from incubator.oci.platform import Platform
from incubator.oci.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.core.plan.model import Plan, Step
    from incubator.dockerfile import Span

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base(name: str, *, author: str = "", **config: Any) -> BaseImage:
    """An image called `name` with the given keys of a RuntimeConfig."""
    return BaseImage(
        reference=name,
        image_id=f"id of {name}",
        config=ImageConfig(platform=AMD64, config=RuntimeConfig(**config), author=author),
    )


class Images:
    """A lookup that knows some images and notes who asked for what."""

    def __init__(self, images: Mapping[str, BaseImage]) -> None:
        self._images = images
        self.asked: list[tuple[str, Platform]] = []

    def __call__(self, reference: str, platform: Platform, *, span: Span) -> BaseImage:
        self.asked.append((reference, platform))
        try:
            parse_reference(reference)
        except InputError as error:
            error.span = span
            raise
        if reference not in self._images:
            raise RegistryError(f"there is no image {reference}", span=span)
        return self._images[reference]


BUSYBOX = base("busybox", cmd=("sh",), env=(PATH,))


def plan(text: str, *bases: BaseImage, lookup: Images | None = None, **options: Any) -> Plan:
    """The plan of `text` on `bases` (busybox is always there) with PlanOptions by name."""
    images = Images({image.reference: image for image in (BUSYBOX, *bases)})
    return make_plan(
        parse(Source("Dockerfile", text)), PlanOptions(build_platform=AMD64, **options), lookup or images
    )


def config(text: str, *bases: BaseImage, **options: Any) -> RuntimeConfig:
    """The config of the target that `text` gives."""
    return plan(text, *bases, **options).target.config


def env(text: str, *bases: BaseImage, **options: Any) -> dict[str, str]:
    """The variables of the target's config, PATH aside."""
    return {k: v for k, v in config(text, *bases, **options).env_map().items() if k != "PATH"}


def step(text: str, *bases: BaseImage, **options: Any) -> Any:
    """The last step of the target that `text` gives; the caller knows its kind."""
    return steps(text, *bases, **options)[-1]


def steps(text: str, *bases: BaseImage, **options: Any) -> list[Step]:
    """All steps of the target that `text` gives."""
    return [s for group in plan(text, *bases, **options).target.groups for s in group.steps]
