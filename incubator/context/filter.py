"""Which entries of a source folder a COPY takes: `--parents` includes and `--exclude`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.context.patterns import MatchInfo, PatternMatcher

if TYPE_CHECKING:
    from collections.abc import Sequence

_Infos = tuple[MatchInfo | None, MatchInfo | None]


class Filter:
    """Asked about the entries of one walk in its order: each folder before what is in it.

    Paths are relative to the source folder, so a source that is a file itself is never left out. Without
    patterns it is false, and need not be asked. Raises `PatternError`.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = PatternMatcher(include)
        self._exclude = PatternMatcher(exclude)
        self._folders: dict[str, _Infos] = {}
        self._last = ("", True, False)

    def __bool__(self) -> bool:
        return bool(self._include) or bool(self._exclude)

    def includes(self, path: str) -> bool:
        """True if the entry is taken; what is in a folder may be even if the folder is not."""
        above = self._folders.get(path.rpartition("/")[0], (None, None))
        wanted, include_info, exclude_info, unwanted = True, None, None, False
        if self._include:
            wanted, include_info = self._include.match_below(path, above[0])
        if self._exclude:
            unwanted, exclude_info = self._exclude.match_below(path, above[1])
        self._folders[path] = (include_info, exclude_info)
        self._last = (path, wanted, unwanted)
        return wanted and not unwanted

    def prune(self, folder: str) -> bool:
        """True if nothing below `folder`, the entry asked about last, can be taken."""
        path, wanted, unwanted = self._last
        if not folder or path != folder:
            return False
        if unwanted and not self._exclude.may_take_back_below(folder):
            return True
        return not wanted and not self._include.may_match_below(folder)
