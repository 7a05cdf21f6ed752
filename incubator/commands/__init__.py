"""One module a command: `NAME`, `HELP`, `make_parser` and `run`."""
