"""What schemathesis changes in its requests before it sends them."""

import itertools

import schemathesis

NUMBERS = itertools.count(1)


def without_quarantine(record):
    """Leaves out a reason that would be taken; one that must be refused stays."""
    reason = record.get("quarantine") if isinstance(record, dict) else None
    taken = isinstance(reason, str) and 0 < len(reason) <= 1024 and reason.isprintable()
    if not taken:
        return record
    return {name: value for name, value in record.items() if name != "quarantine"}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Calls from another address each time, never lets a dry run ask a made-up BMC, and puts no
    server into quarantine that others send jobs to: putting the server anew does not lift it."""
    number = next(NUMBERS)
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    # Limits on wrong logins are per address; they have tests of their own.
    case.headers = {**(case.headers or {}), "X-Forwarded-For": address}
    if isinstance(case.query, dict) and case.query.get("probe") == "live":
        case.query["probe"] = "last"
    if case.method == "PUT" and case.path.endswith("/quarantine"):
        case.path_parameters = {**(case.path_parameters or {}), "serial": "IN-QUARANTINE"}
    elif case.path.endswith("/servers/{serial}"):
        case.body = without_quarantine(case.body)
    elif case.path.endswith("/servers/import") and isinstance(case.body, list):
        case.body = [without_quarantine(record) for record in case.body]
