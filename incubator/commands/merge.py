"""`incubator merge`: images for several platforms, from as many builds, under one name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from incubator.annotation_options import parse_merge_annotation, read_annotations
from incubator.api import merge
from incubator.arguments import ArgumentParser
from incubator.console.summary import merge_lines
from incubator.console.words import show_count
from incubator.errors import InputError
from incubator.faults import Faults
from incubator.merge_names import read_names
from incubator.metadata import check_writable, make_merge_metadata, metadata_text, write_atomically

if TYPE_CHECKING:
    import argparse

_LONGEST_FILE = 1 << 20


def make_parser() -> ArgumentParser:
    """The parser of `incubator merge`."""
    parser = ArgumentParser(
        prog="incubator merge",
        usage="incubator merge -t TAG [OPTIONS] IMAGE...",
        description="Join images for different platforms, which registries have already, to one index, and give it "
        "all tags. An image is REFERENCE:TAG, REFERENCE@DIGEST or, in the repository of the first tag, DIGEST. No "
        "engine is needed.",
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="image or index to take up")
    parser.add_argument(
        "-t", "--tag", action="append", default=[], metavar="NAME", help="reference for the index; repeatable"
    )
    parser.add_argument(
        "--annotation",
        action="append",
        default=[],
        metavar="[LEVEL[PLATFORM]:]NAME=VALUE",
        help="annotation of the index or, at the level manifest-descriptor, of what it says of an image; repeatable",
    )
    parser.add_argument(
        "--digests-file", metavar="FILE", help="more images, one a line; - for standard input"
    )
    parser.add_argument(
        "--metadata-file", metavar="FILE", help="write the digest and names as JSON to a file"
    )
    result = parser.add_argument_group("result")
    parser.add_switch(result, "-q", "--quiet", help="print the digest and nothing else")
    parser.add_switch(result, "-D", "--debug", help="show tracebacks and diagnostics")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Merge; 0 where all went well. Raises BuilderError."""
    faults = Faults()
    images = list(arguments.images)
    if arguments.digests_file is not None:
        with faults.gather():
            images += _lines(arguments.digests_file)
    if arguments.metadata_file is not None:
        with faults.gather():
            check_writable(arguments.metadata_file, "--metadata-file")
    read_annotations(arguments.annotation, faults, parse_merge_annotation)
    read_names(arguments.tag, images, faults)
    if not arguments.quiet:  # a registry that does not answer is asked for some time
        sys.stderr.write(f"joining {show_count(len(images), 'image')}\n")
    merged = merge(arguments.tag, images, annotations=arguments.annotation)
    if arguments.metadata_file is not None:
        write_atomically(arguments.metadata_file, metadata_text(make_merge_metadata(merged)))
    if not arguments.quiet:
        sys.stderr.write("".join(f"{line}\n" for line in merge_lines(merged)))
    sys.stdout.write(f"{merged.digest}\n")
    return 0


def _lines(path: str) -> list[str]:
    """What stands on the lines of a file. Raises InputError."""
    try:
        if path == "-":
            text = sys.stdin.read(_LONGEST_FILE + 1)
        else:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read(_LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(f"--digests-file {path!r} cannot be read: {reason}") from error
    if len(text) > _LONGEST_FILE:
        raise InputError(f"--digests-file {path!r} has more than {_LONGEST_FILE} characters")
    return text.split()
