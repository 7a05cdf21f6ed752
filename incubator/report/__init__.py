"""Reports of a build: what happened as a value, and that value as Markdown and as HTML."""
