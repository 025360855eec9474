"""Compares the answers that two servers gave to the same scenario, field by field. common.py records them.

A difference is a route, a field and what each server has there: a value, or nothing. differences.json lists those that we keep, with
their reasons; each of its entries must be seen, so that the list says what is true.
"""

import difflib
import fnmatch
import json
import re

NOTHING = "nothing"
# fields whose values name something that the server made up
IDS = {"experiment_id", "run_id", "run_uuid", "model_id", "source_run_id", "dataset_uuid", "trace_id", "request_id", "webhook_id"}
TOKENS = {"next_page_token"}
# text that holds them
PATTERNS = [
    (r"\b(m-)?[0-9a-f]{32}\b", "ID"),
    (r"\b[0-9a-f]{8}\b", "ID"),
    (r"mlflow-artifacts:/\d+", "mlflow-artifacts:/ID"),
    (r"\b1[6-9]\d{11}\b", "NOW"),
]


def masked(value, ids):
    if isinstance(value, str):
        if value in ids and len(value) > 8:
            return "ID"
        for pattern, name in PATTERNS:
            value = re.sub(pattern, name, value)
        # experiments of MLflow have small numbers, which messages repeat
        return re.sub(r"(id=|id |[Ee]xperiment |id '|artifact: ')(\d+)\b", lambda m: m[1] + ("ID" if m[2] in ids else m[2]), value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 1_600_000_000_000:
        return "NOW"
    return value


def fields(value, ids, path=""):
    """Yields (field, value) for all that has a value. Lists of keys and values are taken by their keys."""
    if isinstance(value, dict):
        for name, inner in value.items():
            name = "ID" if name in ids else name
            made_up = "ID" if name in IDS else "TOKEN" if name in TOKENS else ""
            yield from fields(made_up if made_up and inner else inner, ids, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and all(isinstance(v, dict) and "key" in v for v in value):
        counts = {}
        for inner in sorted(value, key=lambda v: v["key"]):
            counts[inner["key"]] = counts.get(inner["key"], -1) + 1
            number = counts[inner["key"]]
            rest = {name: v for name, v in inner.items() if name != "key"}
            yield from fields(rest, ids, f"{path}[{inner['key']}{'#' + str(number) if number else ''}]")
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for i, inner in enumerate(value):
            yield from fields(inner, ids, f"{path}[{i}]")
    else:
        yield path, masked(value, ids)


def ids_of(lines):
    """Collects the ids of experiments: small numbers that nothing but their field gives away."""
    found = set()

    def look(value):
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in IDS and isinstance(inner, str) and inner != "0":
                    found.add(inner)
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    for line in lines:
        look(line["body"])
    return found


def load(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def shown(field):
    """A field without the places in lists and the numbers of points."""
    return re.sub(r"\[(\d+)\]|#\d+", lambda m: "[]" if m[1] else "", field)


def in_order(lines):
    """Files are fetched by several threads: what they ask for in a row is put into one sequence."""
    place = lambda line: re.sub(r"/(\d+|[0-9a-f]{32})(?=/|$)", "/ID", re.sub(r"=(\d+|[0-9a-f]{32})/", "=ID/", line["target"]))
    done, waiting = [], []
    for line in lines + [None]:
        if line and line["route"].startswith("GET") and "artifact" in line["route"]:
            waiting.append(line)
            continue
        done += sorted(waiting, key=place)
        waiting = []
        done.append(line)
    return done[:-1]


def differences(left, right):
    """Yields (route, field, left, right) for each difference of two recordings."""
    left, right = in_order(left), in_order(right)
    left_ids, right_ids = ids_of(left), ids_of(right)
    route = lambda line: re.sub(r"/(\d+|[0-9a-f]{32})(?=/|$)", "/ID", line["route"])
    a, b = [route(line) for line in left], [route(line) for line in right]
    for kind, i, j, k, l in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind != "equal":
            for r in a[i:j]:
                yield r, "request", "asked", NOTHING
            for r in b[k:l]:
                yield r, "request", NOTHING, "asked"
            continue
        for ours, theirs in zip(left[i:j], right[k:l]):
            r = route(ours)
            if ours["status"] != theirs["status"]:
                yield r, "status", ours["status"], theirs["status"]
            x, y = dict(fields(ours["body"] or {}, left_ids)), dict(fields(theirs["body"] or {}, right_ids))
            for field in sorted(x.keys() | y.keys()):
                if x.get(field, NOTHING) != y.get(field, NOTHING):
                    yield r, shown(field), x.get(field, NOTHING), y.get(field, NOTHING)


def matches(entry, scenario, route, field, left, right):
    wanted = [(entry.get("scenario", "*"), scenario), (entry["route"], route), (entry["field"], field)]
    wanted += [(entry.get("mlflow", "*"), str(left)), (entry.get("slipway", "*"), str(right))]
    # brackets stand for themselves here
    return all(fnmatch.fnmatchcase(value, pattern.replace("[", "[[]")) for pattern, value in wanted)


def judge(recordings, allowed):
    """Returns what is not allowed, and the entries that were not seen. recordings: scenario -> (MLflow's, slipway's)."""
    unknown, seen = {}, set()
    for scenario, (left, right) in recordings.items():
        for found in differences(load(left), load(right)):
            entries = [i for i, entry in enumerate(allowed) if matches(entry, scenario, *found)]
            seen.update(entries)
            if not entries:
                unknown.setdefault((scenario, *map(str, found)), 0)
                unknown[(scenario, *map(str, found))] += 1
    return unknown, [entry for i, entry in enumerate(allowed) if i not in seen]


if __name__ == "__main__":
    import sys

    scenarios = {name: (f"{sys.argv[1]}/{name}.mlflow.jsonl", f"{sys.argv[1]}/{name}.slipway.jsonl") for name in sys.argv[3:]}
    unknown, unseen = judge(scenarios, json.load(open(sys.argv[2])))
    for found, count in unknown.items():
        print(count, *found, sep=" | ")
    for entry in unseen:
        print("not seen:", entry)
