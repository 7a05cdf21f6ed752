"""The build context as the builder sees it."""
