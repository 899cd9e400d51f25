"""Kustomize builds what is in the repository, and the result has Kubernetes' schemas."""

import re
import subprocess

import kubernetes_validate
import yaml

from . import CONFIG, GRACE, LOCAL, STATE_HOME, USER, WRITABLE, flag

VERSION = "1.37"


def build(files, kubectl, folder):
    ran = subprocess.run([kubectl, "kustomize", files.path(f"kubernetes/{folder}")], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"kubectl kustomize {folder}: {ran.stderr}")
    return [document for document in yaml.safe_load_all(ran.stdout) if document], ran.stdout


def run(check, files, program, kubectl):
    """Returns what the service's container is started with."""
    service = None
    for folder in ("service", "round"):
        documents, _ = build(files, kubectl, folder)
        by_kind = {}
        for document in documents:
            kind, name = document["kind"], document["metadata"]["name"]
            by_kind.setdefault(kind, []).append(document)
            problem = None
            try:
                kubernetes_validate.validate(document, VERSION, strict=True)
            except kubernetes_validate.ValidationError as error:
                problem = error.message
            check(f"{folder}: {kind} {name} has the schema of {VERSION}", problem is None, problem)
            if kind != "Namespace":
                check.equal(f"{folder}: {kind} {name} is in the namespace",
                            document["metadata"].get("namespace"), "orgtrail")
        namespace = by_kind["Namespace"][0]["metadata"]["labels"]
        check.equal(f"{folder}: the namespace enforces restricted pods",
                    namespace["pod-security.kubernetes.io/enforce"], "restricted")
        workload = by_kind["Deployment" if folder == "service" else "CronJob"][0]
        template = workload["spec"]["template"] if folder == "service" else \
            workload["spec"]["jobTemplate"]["spec"]["template"]
        pod(check, folder, files, program, template, by_kind)
        if folder == "service":
            service = served(check, files, workload, template, by_kind)
        else:
            job = workload["spec"]["jobTemplate"]["spec"]
            values = job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
            check.equal("round: it fails at once with every exit code but 0 and 1", values,
                        [code for code in program.exit_codes if code > 1])
    return service


def pod(check, folder, files, program, template, by_kind):
    """What the pods of both have in common."""
    spec, labels = template["spec"], template["metadata"]["labels"]
    container = spec["containers"][0]
    arguments = container["args"]
    complaint = program.complaint(arguments)
    check(f"{folder}: the arguments", complaint is None, complaint)
    check.equal(f"{folder}: the configuration", flag(arguments, "--config"), CONFIG)
    check.equal(f"{folder}: the image", container["image"], f"registry.example/orgtrail:{program.version}")
    security = {**spec["securityContext"], **container["securityContext"]}
    wanted = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "allowPrivilegeEscalation": False,
              "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
              "seccompProfile": {"type": "RuntimeDefault"}}
    check.equal(f"{folder}: no privileges", {key: security.get(key) for key in wanted}, wanted)
    check(f"{folder}: no token for the cluster", spec["automountServiceAccountToken"] is False)
    check(f"{folder}: memory is limited", "memory" in container["resources"]["limits"])
    accounts = [account["metadata"]["name"] for account in by_kind["ServiceAccount"]]
    check(f"{folder}: the service account exists", spec["serviceAccountName"] in accounts)
    configured = {document["metadata"]["name"] for document in by_kind["ConfigMap"]}
    mounted = {name for name in yaml.safe_dump(spec["volumes"]).split() if name.startswith("orgtrail-")}
    check(f"{folder}: the configuration is mounted under its generated name", mounted & configured,
          f"{mounted} and {configured}")
    stored = by_kind["ConfigMap"][0]["data"]["orgtrail.toml"]
    check.equal(f"{folder}: the configuration is that of the repository", stored,
                files.text("kubernetes/base/orgtrail.toml"))
    volumes = {volume["name"] for volume in spec["volumes"]}
    check.equal(f"{folder}: every volume is mounted", volumes, {mount["name"] for mount in container["volumeMounts"]})
    selected = [policy for policy in by_kind["NetworkPolicy"]
                if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
    types = {kind for policy in selected for kind in policy["spec"]["policyTypes"]}
    check.equal(f"{folder}: the network is limited in both directions", types, {"Ingress", "Egress"})


def served(check, files, workload, template, by_kind):
    spec, labels = template["spec"], template["metadata"]["labels"]
    container = spec["containers"][0]
    secrets = {source["secret"]["name"] for volume in spec["volumes"] if "projected" in volume
               for source in volume["projected"]["sources"] if "secret" in source}
    created = re.findall(r"create secret generic (\S+)", files.text("kubernetes/service/kustomization.yaml"))
    check.equal("service: the secret is the one that is created", secrets, set(created))
    port = files.port("kubernetes/base/orgtrail.toml")
    named = {entry["name"]: entry["containerPort"] for entry in container["ports"]}
    check.equal("service: the port", named, {"http": port})
    check.equal("service: the old pod ends first", workload["spec"]["strategy"]["type"], "Recreate")
    check("service: the selector is the pods'", workload["spec"]["selector"]["matchLabels"].items() <= labels.items())
    balanced = by_kind["Service"][0]["spec"]
    check("service: the Service selects the pods", balanced["selector"].items() <= labels.items())
    check("service: the Service's port is the container's", balanced["ports"][0]["targetPort"] in named)
    probes = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    check("service: the probes' port", all(probe["port"] in named for probe in probes.values()))
    check("service: time to stop", spec["terminationGracePeriodSeconds"] > GRACE)
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    check.equal("service: what is writable", writable, WRITABLE)
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    check.equal("service: the place of its own files", environment["XDG_STATE_HOME"], STATE_HOME)
    check("service: it is a volume", LOCAL in writable)
    inbound = [policy for policy in by_kind["NetworkPolicy"] if policy["spec"].get("ingress")]
    check("service: only labelled namespaces reach it",
          len(inbound) == 1 and all("namespaceSelector" in source and source["namespaceSelector"].get("matchLabels")
                                    for rule in inbound[0]["spec"]["ingress"] for source in rule["from"]))
    return {"args": container["args"], "environment": environment,
            "paths": {kind: probe["path"] for kind, probe in probes.items()}}
