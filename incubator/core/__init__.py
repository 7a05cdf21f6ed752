"""Instructions to an image: planning (pure), then execution behind the engine client."""
