"""Configuration to objects; a setting that cannot be is told here, before data is read or a process launched."""
