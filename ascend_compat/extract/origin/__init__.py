"""Where source trees come from: a directory, a git revision, an archive, the package index."""
