"""Every declared quantization format lowered to one vocabulary, and the check against what is stored."""
