"""``python -m ascend_compat``."""

from ascend_compat.cli.main import run

if __name__ == "__main__":
    raise SystemExit(run())
