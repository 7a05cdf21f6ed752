"""A plan: everything a build will do, as a value. Pure but for the injected lookup of base images."""
