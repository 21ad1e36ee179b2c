"""Writes the dashboard, charts/pacer/files/dashboard.json. `make generate-chart` runs it, and a test compares."""

import json
from collections.abc import Iterator

from panels import GREEN, POD, RED, ROWS, YELLOW, Panel, Query
from tools import CHART

FILE = CHART / "files/dashboard.json"
UID = "pacer-sidecars"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOICE = "var-namespace=${__data.fields.Namespace}&var-pod=${__value.raw}"
ALONE = f"/d/{UID}?${{datasource:queryparam}}&{CHOICE}&${{__url_time_range}}"
COLUMNS = {"namespace": "Namespace", "workload": "Workload", "pod": "Pod", "pacer_dev_policy": "Policy", "version": "Version"}
LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True}


def variables() -> list[dict]:
    """Each narrows the next. What a label does not have, `.*` matches as well."""
    found = [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1}]
    chosen: list[str] = []
    for name, label in (("namespace", "namespace"), ("workload", "workload"), ("policy", "pacer_dev_policy"), ("pod", "pod")):
        query = f"label_values(sidecar_build_info{{{', '.join(chosen)}}}, {label})"
        everything = {"text": ["All"], "value": ["$__all"]}
        found.append({
            "name": name, "label": name.capitalize(), "type": "query", "datasource": SOURCE,
            "query": {"query": query, "refId": name}, "includeAll": True, "multi": True, "allValue": ".*",
            "refresh": 2, "sort": 1, "current": everything,
        })
        chosen.append(f'{label}=~"${name}"')
    return found


def mappings(words: dict | None) -> list[dict]:
    options = {value: {"text": text, "color": color, "index": int(value)} for value, (text, color) in (words or {}).items()}
    return [{"type": "value", "options": options}] if options else []


def defaults(panel: Panel) -> dict:
    steps = [{"color": GREEN, "value": None}]
    steps += [{"color": color, "value": value} for color, value in zip((YELLOW, RED), panel.steps) if value is not None]
    found = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}, "mappings": mappings(panel.words)}
    if panel.top is not None:
        found["max"] = panel.top
    if panel.kind == "timeseries":
        found["color"] = {"mode": "palette-classic"}
        found["custom"] = {
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if panel.stacked else 8, "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if len(steps) > 1 else "off"},
        }
    else:
        found["color"] = {"mode": "thresholds"}
    return found


def options(panel: Panel) -> dict:
    match panel.kind:
        case "stat":
            calculated = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {"reduceOptions": calculated, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
        case "state-timeline":
            return {"mergeValues": True, "showValue": "auto", "rowHeight": 0.9, "legend": LEGEND, "tooltip": {"mode": "single"}}
        case "table":
            return {"cellHeight": "sm", "showHeader": True, "sortBy": [{"displayName": "429s", "desc": True}]}
        case _:
            return {"legend": LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}}


def overrides(panel: Panel) -> list[dict]:
    """Columns of a table, and a series of another unit than the rest, are told apart by name."""
    def of(name: str, **properties: object) -> dict:
        listed = [{"id": key, "value": value} for key, value in properties.items()]
        return {"matcher": {"id": "byName", "options": name}, "properties": listed}

    def column(query: Query) -> dict:
        if query.words is None:
            return of(query.legend, unit=query.unit, decimals=1 if query.unit == "reqpm" else 0)
        return of(query.legend, mappings=mappings(query.words), **{"custom.cellOptions": {"type": "color-text"}})

    if panel.kind != "table":
        apart = [query for query in panel.queries if query.unit != "none"]
        return [of(query.legend, unit=query.unit, **{"custom.axisPlacement": "right"}) for query in apart]
    return [of("Pod", links=[{"title": "This pod alone", "url": ALONE}]), *map(column, panel.queries[1:])]


def transformations(panel: Panel) -> list[dict]:
    """Of a table: one line a pod, the value of each query in a column. The first query's is of no interest: its labels are."""
    if panel.kind != "table":
        return []
    values = {f"Value #{reference(index)}": query.legend for index, query in enumerate(panel.queries)}
    order = [*POD.split(", "), *list(values)[1:], "version"]
    organized = {
        "excludeByName": {"Time": True, "Value #A": True}, "indexByName": {name: index for index, name in enumerate(order)},
        "renameByName": {**COLUMNS, **dict(list(values.items())[1:])},
    }
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organized}]


def reference(index: int) -> str:
    return chr(ord("A") + index)


def target(panel: Panel, index: int, query: Query) -> dict:
    table = panel.kind == "table"
    shape = {"format": "table" if table else "time_series", "instant": table, "range": not table}
    return {"refId": reference(index), "expr": query.expr, "legendFormat": query.legend, "datasource": SOURCE, **shape}


def drawn(panel: Panel) -> dict:
    found = {
        "type": panel.kind, "title": panel.title, "description": panel.description, "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults(panel), "overrides": overrides(panel)}, "options": options(panel),
        "targets": [target(panel, index, query) for index, query in enumerate(panel.queries)],
    }
    return found | ({"transformations": transformations(panel)} if panel.kind == "table" else {})


def placed() -> Iterator[dict]:
    """The panels from left to right and down, numbered."""
    y = number = 0
    for row in ROWS:
        number += 1
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": box(0, y, 24, 1)}
        x, y, below = 0, y + 1, y + 1
        for panel in row.panels:
            if x + panel.width > 24:
                x, y = 0, below
            number += 1
            yield {"id": number, **drawn(panel), "gridPos": box(x, y, panel.width, panel.height)}
            x, below = x + panel.width, max(below, y + panel.height)
        y = below


def box(x: int, y: int, w: int, h: int) -> dict:
    return {"x": x, "y": y, "w": w, "h": h}


def made() -> str:
    """The file's text."""
    whole = {
        "uid": UID, "title": "Pacer sidecars", "tags": ["pacer"], "schemaVersion": 39, "version": 1, "editable": True,
        "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
        "annotations": {"list": []}, "links": [],
        "description": "Sidecars that pace calls to LLM APIs: quota and use, waits, retreat, upstream, policies.",
        "templating": {"list": variables()}, "panels": list(placed()),
    }
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(made())
