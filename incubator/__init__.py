"""Image builder for CI pipelines. `incubator.api.build` is the Python front door."""

__version__ = "1.0.0.dev0"
