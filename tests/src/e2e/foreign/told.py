"""Runs a validator of the DMTF as its own command does, and writes what it found as JSON.

    told.py PACKAGE FILE [OPTION...]

Reports for people are what the validators write by themselves; they are left out here.
"""

import importlib
import json
import sys


def found(results):
    """Where something is wrong, and what, of one resource's results."""
    for place, result in results.items():
        # One validator keeps its verdicts as text, the other as an enumeration.
        if getattr(result["Result"], "name", result["Result"]) == "FAIL":
            yield place, result["Message"]


def told(sut):
    """Everything the validator has to say about the service it has just been through."""
    failures = [
        {"uri": uri, "place": place, "message": message}
        for uri, resource in sut._resources.items()
        for place, message in found(resource["Results"])
    ]
    # Only one of the two judges what the service as a whole lacks.
    whole = getattr(sut, "_service_resource_results", {"Results": {}})
    failures += [
        {"uri": "", "place": place, "message": message}
        for place, message in found(whole["Results"])
    ]
    return {
        "passed": sut.pass_count,
        "warned": sut.warn_count,
        "failed": sut.fail_count,
        "not_tested": sut.skip_count,
        "failures": failures,
    }


def main():
    package, path = sys.argv[1:3]
    del sys.argv[1:3]
    tool = importlib.import_module(package + ".console_scripts")

    def summary(sut):
        with open(path, "w", encoding="utf-8") as report:
            json.dump(told(sut), report)

    tool.print_summary = summary
    for report in ("html_report", "xlsx_report"):
        setattr(tool.report, report, lambda *arguments: None)
    tool.main()


main()
