"""What a release's weight loaders do with the tensors of a checkpoint: loaded, dropped, refused, or not known."""
