"""``python -m ascend_compat``."""

from ascend_compat.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
