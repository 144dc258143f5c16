"""A total, side-effect-free evaluator for the expression language of packs."""
