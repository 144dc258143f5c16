"""Bytes to facts: headers, index, configuration, quantization side files, integrity."""
