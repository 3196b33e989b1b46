"""An acceptance in the forms that people and programs read: HTML, JSON, JUnit, a monitoring line.

Nothing heavy is imported here: matplotlib and jinja2 load only when a page is made.
"""
