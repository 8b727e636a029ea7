"""Judge recorded exchanges of NFs with the client by its OpenAPI description: the operation and
status must be there, the headers that are required too, the body be of the schema.

usage: openapi_live.py OPENAPI.yaml RECORDS
"""
import json
import os
import re
import sys

import jsonschema
import yaml

ROOT = "/nacme-enrolment/v1"


def resolve(document, node):
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for step in node["$ref"][2:].split("/"):
            target = target[step]
        node = target
    return node


def operations(document):
    for path, item in document["paths"].items():
        pattern = re.compile("^" + re.sub(r"\{[^}]*\}", "[^/]+", path) + "$")
        for method in ("get", "put", "post", "delete"):
            if method in item:
                yield path, pattern, method.upper(), item[method]


def head_of(text):
    """Status and headers of the last answer in it (100 Continue aside)."""
    blocks = [block for block in text.replace("\r", "").split("\n\n") if block.startswith("HTTP/")]
    if not blocks:
        return None, {}
    lines = blocks[-1].split("\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(lines[0].split()[1]), headers


def judge_headers(document, response, headers):
    for name, header in response.get("headers", {}).items():
        header = resolve(document, header)
        value = headers.get(name.lower())
        if value is None:
            if header.get("required"):
                yield f"no header {name}"
            continue
        schema = resolve(document, header["schema"])
        if schema.get("type") == "integer" and not value.isdigit():
            yield f"header {name}: {value}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"header {name}: {value}"


def judge_body(document, response, headers, body):
    content = response.get("content", {})
    kind = headers.get("content-type", "").split(";")[0].strip()
    if not content:
        if body:
            yield "a body where none is described"
        return
    if kind not in content:
        yield f"content type {kind}"
        return
    schema = dict(resolve(document, content[kind]["schema"]))
    schema["components"] = document["components"]
    if kind.endswith("json"):
        try:
            value = json.loads(body)
        except ValueError:
            yield "the body is not JSON"
            return
        described = set(resolve(document, schema).get("properties", {}))
        if described and not set(value) <= described:
            yield f"members not described: {sorted(set(value) - described)}"
        validator = jsonschema.Draft4Validator(
            schema, resolver=jsonschema.RefResolver("", document),
            format_checker=jsonschema.FormatChecker())
        for problem in validator.iter_errors(value):
            yield f"{'/'.join(map(str, problem.path))}: {problem.message[:200]}"


def judge(document, record, seen):
    with open(os.path.join(record, "request")) as file:
        method, _, url = file.read().strip().partition(" ")
    path = re.sub(r"^https?://[^/]*", "", url)
    if not path.startswith(ROOT):
        return
    path = path[len(ROOT):].split("?")[0]
    try:
        with open(os.path.join(record, "head"), errors="replace") as file:
            status, headers = head_of(file.read())
        with open(os.path.join(record, "body"), errors="replace") as file:
            body = file.read()
    except FileNotFoundError:
        return
    if status is None:  # the connection broke: there is no answer to judge
        return
    for name, pattern, known, operation in operations(document):
        if known == method and pattern.match(path):
            break
    else:
        if status not in (404, 405, 400, 403):
            yield f"{method} {path}: {status} of an operation that is not described"
        return
    responses = operation["responses"]
    seen.add((method, name, str(status)))
    if str(status) not in responses:
        yield f"{method} {name}: status {status} is not described: {body[:200]}"
        return
    response = resolve(document, responses[str(status)])
    for problem in judge_headers(document, response, headers):
        yield f"{method} {name} {status}: {problem}"
    for problem in judge_body(document, response, headers, body):
        yield f"{method} {name} {status}: {problem}"


def main():
    with open(sys.argv[1]) as file:
        document = yaml.safe_load(file)
    seen, problems, count = set(), [], 0
    for entry in sorted(os.listdir(sys.argv[2])):
        count += 1
        problems += judge(document, os.path.join(sys.argv[2], entry), seen)
    for name, _, method, operation in operations(document):
        cells = [f"{status}{'' if (method, name, status) in seen else '-'}"
                 for status in sorted(operation["responses"])]
        print(f"{method:6} {name:45} {' '.join(cells)}")
    print(f"{count} exchanges, {len(seen)} operations and statuses (those with - were not provoked)")
    for problem in sorted(set(problems)):
        print("WRONG", problem)
    unseen = [f"{method} {name}" for name, _, method, _ in operations(document)
              if not any(one[:2] == (method, name) for one in seen)]
    for one in unseen:
        print("WRONG never called:", one)
    return 1 if problems or unseen or count == 0 else 0


sys.exit(main())
