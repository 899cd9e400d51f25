"""The alert rules and the dashboard: what each asks for, and what the documentation says of it."""

import re

import yaml

# A metric with a state that means that somebody has to act, and the alert about it.
STATES = {
    'orgtrail_accounts{state="dark"}': "OrgtrailAccountsDark",
    'orgtrail_accounts{state="unreadable"}': "OrgtrailAccountsUnreadable",
    'orgtrail_accounts_joined{state="late"}': "OrgtrailAccountsLate",
    'orgtrail_cells{state="failed"}': "OrgtrailIntegrityFailure",
}


def run(check, files, documentation):
    groups = yaml.safe_load(files.text("service/alerts.yml"))["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    check.equal("alerts: each name once", len(rules), sum(len(group["rules"]) for group in groups))
    for name, rule in rules.items():
        check(f"alerts: {name} says how grave it is", rule["labels"]["severity"] in ("critical", "warning"))
        about = rule["annotations"]
        check(f"alerts: {name} says what to do", about["summary"] and about["description"].endswith("."))
    for metric, name in STATES.items():
        check(f"alerts: {name} is about {metric}", metric in rules[name]["expr"], rules[name]["expr"])
        check(f"alerts: {name} is raised by the first account", rules[name]["expr"].endswith("> 0"))
    with open(documentation, encoding="utf-8") as file:
        documented = set(re.findall(r"^\| `(Orgtrail\w+)` \|", file.read(), re.MULTILINE))
    check.equal("alerts: the documented ones", documented, set(rules))
    panels = files.json("service/dashboard.json")["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    check("dashboard: accounts that joined", any("orgtrail_accounts_joined" in one for one in shown), shown)
    check.equal("dashboard: each panel has its own id", len({panel["id"] for panel in panels}), len(panels))
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    check.equal("dashboard: each panel has its own place", len(places), len(panels))
