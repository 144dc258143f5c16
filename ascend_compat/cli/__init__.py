"""The command line: arguments, exit codes, where output goes."""
