"""What the exit code of a command says."""

OK = 0
FINDINGS = 1
USAGE = 2
NOT_ANALYSED = 3
INTERRUPTED = 130
BROKEN_PIPE = 141
