"""Write the JSON Schemas in ``docs/schema``, of what ``dlrig … --json`` prints and ``pytest checks/ --results`` writes.

python tools/schemas.py            # write them
python tools/schemas.py --check    # 1 where one is not what would be written
"""  # noqa: INP001 - a script, in no package

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path

import msgspec

from provision.plan import NoPlan, Plan
from provision.report import document
from provision.results import RigReport

FOLDER = Path(__file__).parents[1] / "docs" / "schema"


def plan() -> bytes:
    """What ``dlrig plan --json`` prints: a plan, or that there is none; for several rigs a list of them."""
    (planned, unplanned), components = msgspec.json.schema_components(
        (Plan, NoPlan), ref_template="#/$defs/{name}"
    )
    for component in components.values():
        component["description"] = inspect.cleandoc(component.get("description", ""))
    one = {"oneOf": [planned, unplanned]}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What dlrig plan --json prints",
        "oneOf": [planned, unplanned, {"type": "array", "items": one}],
        "$defs": components,
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def results() -> bytes:
    """What ``pytest checks/ --results FILE`` writes."""
    ((report,), components) = msgspec.json.schema_components(
        (RigReport,), ref_template="#/$defs/{name}"
    )
    for component in components.values():
        component["description"] = inspect.cleandoc(component.get("description", ""))
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What pytest checks/ --results writes: rig's name → what was found",
        "type": "object",
        "additionalProperties": report,
        "$defs": components,
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


SCHEMAS = {"acceptance.json": document.schema, "plan.json": plan, "results.json": results}


def main(argv: list[str] | None = None) -> int:
    """Write or compare; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(argv)
    stale = [
        name
        for name, schema in SCHEMAS.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_bytes() != schema()
    ]
    for name in stale:
        if options.check:
            why = f"docs/schema/{name} is not current: python tools/schemas.py"
            print(why, file=sys.stderr)  # noqa: T201 - a script
        else:
            (FOLDER / name).write_bytes(SCHEMAS[name]())
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
