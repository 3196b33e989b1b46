"""The environments that the plan promised, and whether their frameworks compute."""
