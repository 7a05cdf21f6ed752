"""One module a command, imported when it is called: `make_parser` and `run`."""

COMMANDS = {
    "build": "build an image from a Dockerfile",
    "cache": "list results that are kept on the engine, or remove them",
    "lint": "check Dockerfiles, without an engine",
    "merge": "join images for several platforms to one",
    "plan": "show what a build would reuse and make, and why",
    "version": "show the version of incubator and of what it runs on",
    "tags": "show the tags and labels that rules make, and why",
}
"""Names of commands, which are those of their modules, and what they do."""
