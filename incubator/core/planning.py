"""The plan of a request on an engine: which has the base images, or fetches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.core.checks import BuildChecks
from incubator.core.lookup import ImageLookup
from incubator.core.plan.make import PlanOptions, make_plan
from incubator.events import WarningRaised

if TYPE_CHECKING:
    from incubator.core.engine import Engine
    from incubator.core.plan.model import Plan
    from incubator.dockerfile.instructions import Document
    from incubator.events import Listener
    from incubator.request import BuildRequest


def plan_build(
    request: BuildRequest, document: Document, engine: Engine, emit: Listener, *, fetch: bool
) -> Plan:
    """What a build would do; what the build checks find is told. `fetch`: get base images that the engine lacks.

    Raises DockerfileError and InputError with all that is wrong with the file, EngineError, RegistryError.
    """
    engine_platform = engine.info().platform
    checks = BuildChecks(document, request, platform=request.platform or engine_platform, emit=emit)
    checks.before()
    lookup = ImageLookup(
        engine=engine,
        emit=emit,
        credentials=request.credentials,
        pull=request.pull,
        fetch=fetch,
        stores=request.contexts.layouts,
    )
    options = PlanOptions(
        build_platform=engine_platform,
        target=request.target,
        platform=request.platform,
        build_args={name: value for name, value in request.build_args.items() if value is not None},
        labels=request.labels,
        layers=request.layers,
        network=request.network,
        allow=request.allow,
        contexts=request.contexts.names,
    )
    plan = make_plan(document, options, lookup)
    checks.after(plan)
    for message, span in plan.warnings:
        emit(WarningRaised(message=message, span=span))
    return plan
