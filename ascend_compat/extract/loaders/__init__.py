"""How checkpoints are loaded: the ``load_weights`` methods of a release and all they use, as code of the pack."""
