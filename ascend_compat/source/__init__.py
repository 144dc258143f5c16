"""Where the bytes of a checkpoint come from: a directory, the Hugging Face Hub, ModelScope."""
