"""The nouns of OCI images that planning, engine and registry share. Pure."""
