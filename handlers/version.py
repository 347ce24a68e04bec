"""The release of this code: the one that pyproject.toml names."""

VERSION = "1.0.0"
