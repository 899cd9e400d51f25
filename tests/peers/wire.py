"""AWS requests and responses on the wire: which call a request is, what a
response says by botocore's models, and a loopback front that records both.

Nothing here knows orgtrail or its sandbox. The models are those of the installed
botocore; a member, error or value that they do not have is reported, not ignored.
"""

import http.client
import http.server
import io
import json
import re
import threading
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import botocore.parsers
import botocore.session

SIGNED = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([a-z0-9-]+)/aws4_request")
# The name a service signs with, where it is not the name of its model.
MODELS = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}
XMLNS = re.compile(r"^\{[^}]*\}")
# The root elements that S3 writes where botocore's model names none, and clients insist.
# Source: the response syntax in S3's API reference.
ROOTS = {
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration", "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus", "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration", "GetBucketAcl": "AccessControlPolicy",
    "GetBucketTagging": "Tagging", "ListBuckets": "ListAllMyBucketsResult",
}
# Headers of every S3 response.
COMMON_HEADERS = {"x-amz-request-id", "x-amz-id-2"}
# Errors that every service may answer with. Source: each service's "Common Errors".
COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId",
    "InternalFailure", "ServiceUnavailable", "Throttling", "ThrottlingException", "UnrecognizedClientException",
    "ValidationError", "ValidationException", "SignatureDoesNotMatch", "OptInRequired", "MissingAuthenticationToken",
}

_session = botocore.session.get_session()
_models = {}


def model(service):
    """The model of a service, by the name it signs with."""
    if service not in _models:
        _models[service] = _session.get_service_model(MODELS.get(service, service))
    return _models[service]


class Exchange:
    """A request and its response."""

    def __init__(self, service, operation, request, status, headers, body):
        self.service, self.operation, self.request = service, operation, request
        self.status, self.headers, self.body = status, headers, body

    @property
    def call(self):
        return f"{self.service}:{self.operation}"

    @property
    def shape(self):
        return model(self.service).operation_model(self.operation).output_shape

    def parsed(self):
        """The response as boto3 gives it."""
        parser = botocore.parsers.create_parser(model(self.service).protocol)
        headers = http.client.HTTPMessage()
        for name, value in self.headers:
            headers[name.lower()] = value
        # The content of an object is no part of what is compared.
        body = b"" if self.status < 300 and self.shape is not None and streams(self.shape) else self.body
        response = {"status_code": self.status, "headers": headers, "body": body}
        return parser.parse(response, self.shape)


def streams(shape):
    """Whether a response's body is content rather than members."""
    payload = shape.serialization.get("payload")
    return payload is not None and shape.members[payload].type_name == "blob"


def operation_of(service, method, target, headers, body):
    """The operation that a request asks for; None where the model has none."""
    path, _, query = target.partition("?")
    if "X-Amz-Target" in headers:
        return headers["X-Amz-Target"].rsplit(".", 1)[-1]
    cbor = re.match(r"^/service/[^/]+/operation/(\w+)$", path)
    if cbor:
        return cbor.group(1)
    protocol = model(service).protocol
    if protocol == "query":
        return urllib.parse.parse_qs(body.decode()).get("Action", [None])[0]
    asked = urllib.parse.parse_qs(query, keep_blank_values=True)
    best = None
    for name in model(service).operation_names:
        binding = model(service).operation_model(name).http
        wanted_path, _, fixed = binding["requestUri"].partition("?")
        fixed = urllib.parse.parse_qs(fixed, keep_blank_values=True)
        if model(service).operation_model(name).deprecated or binding["method"] != method or not _path_matches(wanted_path, path):
            continue
        if any(key not in asked or (value != [""] and asked[key] != value) for key, value in fixed.items()):
            continue
        copies = "x-amz-copy-source" in {header.lower() for header in headers}
        if service == "s3" and name in ("CopyObject", "UploadPartCopy", "PutObject", "UploadPart") \
                and copies != name.endswith(("CopyObject", "PartCopy")):
            continue
        # Members of the query that the operation requires tell PutObject from UploadPart.
        shape = model(service).operation_model(name).input_shape
        required = [m.serialization["name"] for n, m in (shape.members.items() if shape else ())
                    if m.serialization.get("location") == "querystring" and n in shape.required_members]
        if any(key not in asked for key in required):
            continue
        rank = len(fixed) + len(required)
        if best is None or rank > best[0]:
            best = (rank, name)
    return best and best[1]


def _path_matches(pattern, path):
    def depth(text):
        return min(2, len([part for part in text.strip("/").split("/") if part]))
    if "{" not in pattern:
        return pattern.rstrip("/") == path.rstrip("/")
    return depth(pattern) == depth(path)


class Front:
    """A loopback front: hands requests on as they are, and records what was answered.

    `substitute(service, operation)` may answer in the server's place with
    (status, headers, body); None leaves the request to the server.
    """

    def __init__(self, behind):
        self.exchanges, self.unknown, self.substitute = [], [], None
        place = urllib.parse.urlparse(behind)
        front, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_one(self):
                body = self._body()
                signed = SIGNED.search(self.headers.get("Authorization", ""))
                service = signed and signed.group(1)
                operation = service and operation_of(service, self.command, self.path, self.headers, body)
                answer = front.substitute and operation and front.substitute(service, operation)
                if answer:
                    status, headers, out = answer
                else:
                    status, headers, out = self._forward(body)
                with lock:
                    if operation is None:
                        front.unknown.append(f"{service} {self.command} {self.path}")
                    elif not answer:
                        front.exchanges.append(Exchange(service, operation, body, status, headers, out))
                self._reply(status, headers, out)

            def _body(self):
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    parts = b""
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        parts += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return parts
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def _forward(self, body):
                connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("connection", "transfer-encoding", "expect"):
                        connection.putheader(name, value)
                if "Transfer-Encoding" in self.headers:
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                got = connection.getresponse()
                out = got.read()
                connection.close()
                return got.status, got.getheaders(), out

            def _reply(self, status, headers, out):
                self.send_response_only(status)
                length = str(len(out))
                for name, value in headers:
                    if name.lower() == "content-length" and self.command == "HEAD":
                        length = value
                    elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(out)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def departures(exchange):
    """What a response has that its model has not, each as a line."""
    found = []
    if exchange.status >= 300:
        return _error_departures(exchange)
    protocol, shape, body = model(exchange.service).protocol, exchange.shape, exchange.body
    if shape is None:
        # Real services send nothing or an empty structure here, and clients read neither.
        return [] if body.strip() in (b"", b"{}", b"\xa0", b"\xbf\xff") or protocol == "query" else [f"a body of {len(body)} bytes, where the model has none"]
    if protocol in ("json", "rest-json"):
        _json(json.loads(body or b"{}"), shape, "", found)
    elif protocol == "query":
        root = ET.parse(io.BytesIO(body)).getroot()
        result = next((child for child in root if XMLNS.sub("", child.tag) == shape.serialization.get("resultWrapper")), None)
        if result is not None:
            _xml(result, shape, "", found)
    elif protocol == "rest-xml":
        _headers(exchange, shape, found)
        payload = shape.serialization.get("payload")
        bound = any("location" not in member.serialization for member in shape.members.values())
        if payload is None and bound and body:
            _xml(ET.fromstring(body), shape, "", found)
        elif payload and shape.members[payload].type_name == "structure" and body:
            _xml(ET.fromstring(body), shape.members[payload], payload, found)
    return found


def _error_departures(exchange):
    if exchange.service == "s3" or exchange.status in (301, 304):
        return []
    code = error_of(exchange)[0]
    shapes = model(exchange.service).operation_model(exchange.operation).error_shapes
    known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes} | {shape.name for shape in shapes}
    return [] if code in known | COMMON_ERRORS else [f"the error {code}, which the operation does not have"]


def error_of(exchange):
    """Code and message of an error."""
    parsed = exchange.parsed().get("Error", {})
    return parsed.get("Code", ""), parsed.get("Message", "")


def _headers(exchange, shape, found):
    known = {member.serialization["name"].lower(): member for member in shape.members.values()
             if member.serialization.get("location") == "header"}
    prefixes = tuple(member.serialization["name"].lower() for member in shape.members.values()
                     if member.serialization.get("location") == "headers")
    for name, value in exchange.headers:
        name = name.lower()
        if name in known:
            _value(value, known[name], name, found)
        elif name.startswith("x-amz-") and name not in COMMON_HEADERS and not (prefixes and name.startswith(prefixes)):
            found.append(f"the header {name}")


def _json(value, shape, path, found):
    if value is None:
        return
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            found.append(f"{path}: {type(value).__name__}, where the model has a structure")
            return
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            if name not in names:
                found.append(f"{path}.{name}: no such member")
            else:
                _json(inner, names[name], f"{path}.{name}", found)
        for name in shape.required_members:
            if shape.members[name].serialization.get("name", name) not in value:
                found.append(f"{path}.{name}: required, and missing")
    elif kind == "list":
        for inner in value:
            _json(inner, shape.member, f"{path}[]", found)
    elif kind == "map":
        for inner in value.values():
            _json(inner, shape.value, f"{path}{{}}", found)
    elif kind == "timestamp":
        if not isinstance(value, (int, float)):
            found.append(f"{path}: `{value}`, where the model has a time in seconds")
    elif kind in ("integer", "long", "double", "float"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            found.append(f"{path}: `{value}`, where the model has a number")
    elif kind == "boolean":
        if not isinstance(value, bool):
            found.append(f"{path}: `{value}`, where the model has a boolean")
    elif not isinstance(value, str):
        found.append(f"{path}: {type(value).__name__}, where the model has a {kind}")
    else:
        _value(value, shape, path, found)


def _xml(element, shape, path, found):
    kind = shape.type_name
    if kind == "structure":
        names = {_tag(name, member): member for name, member in shape.members.items()
                 if "location" not in member.serialization}
        for child in element:
            tag = XMLNS.sub("", child.tag)
            if tag not in names:
                found.append(f"{path}.{tag}: no such member")
                continue
            member = names[tag]
            if member.type_name == "list" and member.serialization.get("flattened"):
                _xml(child, member.member, f"{path}.{tag}[]", found)
            else:
                _xml(child, member, f"{path}.{tag}", found)
    elif kind == "list":
        wanted = shape.member.serialization.get("name", "member")
        for child in element:
            if XMLNS.sub("", child.tag) != wanted:
                found.append(f"{path}[]: an element {XMLNS.sub('', child.tag)}, where the model has {wanted}")
            _xml(child, shape.member, f"{path}[]", found)
    elif kind == "map":
        for entry in element:
            for child in entry:
                if XMLNS.sub("", child.tag) == shape.value.serialization.get("name", "value"):
                    _xml(child, shape.value, f"{path}{{}}", found)
    else:
        _value(element.text or "", shape, path, found)


def _tag(name, member):
    if member.type_name == "list" and member.serialization.get("flattened"):
        return member.member.serialization.get("name", member.serialization.get("name", name))
    return member.serialization.get("name", name)


def _value(text, shape, path, found):
    if getattr(shape, "enum", None) and text and text not in shape.enum:
        found.append(f"{path}: `{text}`, which is none of the model's values")
    if shape.type_name in ("integer", "long") and not re.fullmatch(r"-?\d+", text):
        found.append(f"{path}: `{text}`, where the model has a whole number")
    if shape.type_name == "boolean" and text not in ("true", "false"):
        found.append(f"{path}: `{text}`, where the model has a boolean")


def written(service, operation, parsed):
    """A response as it stands on the wire, from what boto3 made of it."""
    protocol = model(service).protocol
    shape = model(service).operation_model(operation).output_shape
    if protocol == "json":
        return [("Content-Type", "application/x-amz-json-1.1")], json.dumps(_plain(parsed)).encode()
    if protocol == "query":
        inner = _xml_members(parsed, shape)
        wrapper = shape.serialization["resultWrapper"]
        return [("Content-Type", "text/xml")], f"<{operation}Response><{wrapper}>{inner}</{wrapper}></{operation}Response>".encode()
    assert protocol == "rest-xml", protocol
    headers = [("Content-Type", "application/xml")]
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header" and parsed.get(name) is not None:
            headers.append((member.serialization["name"], str(parsed[name])))
    payload = shape.serialization.get("payload")
    if payload is None:
        root = ROOTS.get(operation, shape.name)
        if operation == "GetBucketLocation":
            return headers, f"<{root}>{escape(parsed.get('LocationConstraint') or '')}</{root}>".encode()
        return headers, f"<{root}>{_xml_members(parsed, shape)}</{root}>".encode()
    value = parsed.get(payload, "")
    if shape.members[payload].type_name != "structure":
        # A policy, which some recordings have as JSON.
        return headers, (value if isinstance(value, str) else json.dumps(value)).encode()
    member = shape.members[payload]
    root = member.serialization.get("name", payload)
    return headers, f"<{root}>{_xml_members(value or {}, member)}</{root}>".encode()


def _plain(value):
    """The value as JSON: times in seconds."""
    if isinstance(value, dict):
        if value.get("__class__") == "datetime":
            return _time(value).timestamp()
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _time(value):
    import datetime
    parts = [value.get(part, 0) for part in ("year", "month", "day", "hour", "minute", "second", "microsecond")]
    return datetime.datetime(*parts, tzinfo=datetime.timezone.utc)


def _xml_members(value, shape):
    parts = []
    for name, member in shape.members.items():
        inner = value.get(name) if isinstance(value, dict) else None
        if inner is None or "location" in member.serialization:
            continue
        tag = _tag(name, member)
        if member.type_name == "list" and member.serialization.get("flattened"):
            parts += [_xml_element(tag, each, member.member) for each in inner]
        else:
            parts.append(_xml_element(tag, inner, member))
    return "".join(parts)


def _xml_element(tag, value, shape):
    if shape.type_name == "structure":
        inner = _xml_members(value, shape)
    elif shape.type_name == "list":
        inner = "".join(_xml_element(shape.member.serialization.get("name", "member"), each, shape.member) for each in value)
    elif shape.type_name == "map":
        inner = "".join(f"<entry><key>{escape(key)}</key><value>{escape(each if isinstance(each, str) else json.dumps(each))}</value></entry>" for key, each in value.items())
    elif shape.type_name == "timestamp":
        inner = _time(value).strftime("%Y-%m-%dT%H:%M:%S.000Z") if isinstance(value, dict) else escape(str(value))
    elif shape.type_name == "boolean":
        inner = "true" if value else "false"
    else:
        inner = escape(str(value))
    return f"<{tag}>{inner}</{tag}>"


def written_error(service, code, message, status):
    """An error as it stands on the wire."""
    protocol = model(service).protocol
    if protocol == "json":
        return status, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)], \
            json.dumps({"__type": code, "message": message}).encode()
    body = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if protocol == "query":
        body = f"<ErrorResponse>{body}</ErrorResponse>"
    return status, [("Content-Type", "application/xml")], body.encode()


def members(value, shape, path=""):
    """The members that a parsed response has, as paths; keys of maps are `{}`."""
    if shape is None or value is None:
        return set()
    if shape.type_name == "structure" and isinstance(value, dict):
        found = set()
        for name, inner in value.items():
            if name in shape.members:
                found.add(f"{path}.{name}")
                found |= members(inner, shape.members[name], f"{path}.{name}")
        return found
    if shape.type_name == "list" and isinstance(value, list):
        return set().union(*(members(inner, shape.member, f"{path}[]") for inner in value)) if value else set()
    if shape.type_name == "map" and isinstance(value, dict) and value:
        return {f"{path}{{{key}}}" for key in value} if shape.key.type_name == "string" else set()
    return set()
