#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_metrics.py < TEXT: is it the Prometheus text format 0.0.4, and does it make sense?

Prints each fault; exits 1 if there is one. Else prints the names of the families, one a line."""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (NaN|[+-]Inf|[-+]?[0-9.]+(?:e[-+]?[0-9]+)?)")
faults = []


def check(good, what):
    if not good:
        faults.append(what)


def family_of(name, kinds):
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and kinds.get(name[: -len(suffix)]) == "histogram":
            return name[: -len(suffix)]
    return name


def read(text):
    helps, kinds, order, series = {}, {}, [], {}
    check(text.endswith("\n"), "the last line has no end")
    for line in text.splitlines():
        if m := re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line):
            check(m[1] not in helps, f"two HELP: {line}")
            helps[m[1]] = m[2]
        elif m := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line):
            check(m[1] not in kinds, f"two TYPE: {line}")
            kinds[m[1]] = m[2]
        elif m := SAMPLE.fullmatch(line):
            family, key = family_of(m[1], kinds), (m[1], m[2] or "")
            check(family in kinds and family in helps, f"a figure before its HELP and TYPE: {line}")
            check(key not in series, f"twice: {line}")
            if not order or order[-1] != family:
                check(family not in order, f"apart from its family: {line}")
                order.append(family)
            series[key] = float(m[3])
        else:
            faults.append(f"no line of the format: {line}")
    for name in kinds:
        check(name in helps, f"{name} has no HELP")
    return kinds, order, series


def check_counters(kinds, series):
    for (name, _), value in series.items():
        kind = kinds.get(family_of(name, kinds))
        if kind == "counter":
            check(name.endswith("_total"), f"{name} is a counter and does not end in _total")
        if kind != "gauge":
            check(value >= 0, f"{name} is below 0")


def check_histograms(kinds, series):
    for family in (n for n, k in kinds.items() if k == "histogram"):
        buckets = {}
        for (name, labels), value in series.items():
            if name == f"{family}_bucket":
                rest, le = re.fullmatch(r'(.*?),?le="([^"]*)"', labels).groups()
                buckets.setdefault(rest, []).append((float(le), value))
        check(bool(buckets), f"{family} has no buckets")
        for rest, list_ in buckets.items():
            check(list_ == sorted(list_), f"{family}{{{rest}}}: bounds or counts go down")
            check(list_[-1][0] == float("inf"), f"{family}{{{rest}}} has no +Inf")
            check(series.get((f"{family}_count", rest)) == list_[-1][1], f"{family}{{{rest}}}: +Inf is not the count")
            check((f"{family}_sum", rest) in series, f"{family}{{{rest}}} has no sum")


kinds, order, series = read(sys.stdin.read())
check_counters(kinds, series)
check_histograms(kinds, series)
print("\n".join(faults or order))
sys.exit(bool(faults))
