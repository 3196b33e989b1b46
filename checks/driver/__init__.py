"""NVIDIA's driver, and the package manager that it comes from."""
