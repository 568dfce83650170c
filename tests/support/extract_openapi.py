"""Make openapi_fixture.json: GitHub's own description of the operations that we stand in for.

    npm install --prefix DIRECTORY @octokit/openapi
    python -m tests.support.extract_openapi \\
        DIRECTORY/node_modules/@octokit/openapi/generated/api.github.com.deref.json

The whole description is 70 MB. What is kept are the response schemas; what explains them to
people is dropped.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.github_routes import all_routes
from tests.support.openapi_contract import FIXTURE

Json = dict[str, Any]


def extract(description: Json, wanted: set[tuple[str, str]]) -> Json:
    """Keep the responses of the wanted operations, given as method and template."""
    described = {anonymous(template): template for template in description["paths"]}
    statuses = "/repos/{owner}/{repo}/statuses/{ref}"
    # An older path of the same operation: explained there in prose only, but used by PyGithub.
    older = {("GET", statuses): "/repos/{owner}/{repo}/commits/{ref}/statuses"}
    paths: dict[str, Json] = {}
    for method, template in sorted(wanted):
        source = older.get((method, template))
        name = template if source else described[anonymous(template)]
        responses = description["paths"][source or name][method.lower()]["responses"]
        kept = {status: without_prose(schema_of(item)) for status, item in responses.items()}
        paths.setdefault(name, {})[method] = kept
    pulls = "/repos/{owner}/{repo}/pulls"
    refusals = (paths[pulls]["POST"], paths[f"{pulls}/{{pull_number}}/reviews"]["POST"])
    return {
        "version": description["info"]["version"],
        "paths": corrected(paths),
        "errors": [responses[status] for responses in refusals for status in ("403", "422")],
    }


def anonymous(template: str) -> str:
    """Forget the names of the parameters: ours are not GitHub's."""
    return re.sub(r"\{\w+\}", "{}", template)


def schema_of(response: Mapping[str, Any]) -> Any:
    return response.get("content", {}).get("application/json", {}).get("schema")


def without_prose(schema: Any, *, names: bool = False) -> Any:
    """Drop explanations; where the keys are `names` of properties, all of them stay."""
    prose = {"description", "example", "examples", "title", "externalDocs", "default"}
    if isinstance(schema, list):
        return [without_prose(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: without_prose(value, names=key == "properties" and not names)
        for key, value in schema.items()
        if names or (key not in prose and not key.startswith("x-"))
    }
    return kept if names else with_null(kept)


def with_null(schema: Json) -> Json:
    """Let what is nullable be null: GitHub leaves null out of enumerations and alternatives."""
    if schema.get("nullable") is True:
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"].append(None)
        if "oneOf" in schema:
            schema["oneOf"].append({"nullable": True, "enum": [None]})
    return schema


def corrected(paths: dict[str, Json]) -> dict[str, Json]:
    """Let the line of a review comment be null, as it is when the line has changed since."""
    template = "/repos/{owner}/{repo}/pulls/{pull_number}/comments"
    for name in ("line", "position"):
        paths[template]["GET"]["200"]["items"]["properties"][name]["nullable"] = True
    return paths


def main() -> None:
    description = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    wanted = {(route.method, route.template) for route in all_routes()}
    fixture = extract(description, wanted)
    text = json.dumps(fixture, separators=(",", ":"), sort_keys=True)
    FIXTURE.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
