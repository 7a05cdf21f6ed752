"""The context room: files a build may read, as a stream of entries that becomes a tar. No engine here."""
