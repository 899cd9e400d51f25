"""The pages of the service in Chromium, with axe-core.

    pages.py [--verbose] [--screenshots FOLDER]

First `orgtrail serve` on a sandbox: a person signs in with a token, starts a round, sees its
progress without reloading, its result, and builds an evidence bundle. Then every page of
sample organizations in each state (112 accounts, 5,000, before the first round, with a round
that runs, state unreadable). All pages are checked light and dark, 1440 and 390 pixels wide:
no violation that axe-core finds (dark: of the rules about colors), nothing in the console, no page that scrolls sideways from
320 pixels up, and the skip link is the first stop of the keyboard. Runs in the environment
`browser` of setup.sh.
"""

import argparse
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from sandbox import ORGTRAIL, PEERS, ROOT, Sandbox  # noqa: E402

# Names by the ports of `serve_samples` in src/serve/pages/tests.rs.
STATES = {"sample": 18787, "large": 18788, "empty": 18789, "unread": 18790, "live": 18791}
TOP = ["/", "/coverage", "/drift", "/sources", "/rounds", "/events", "/evidence", "/landing-zone"]
MORE = {
    "sample": ["/coverage?state=dark", "/coverage?account=nothing-like-this", "/drift?severity=critical",
               "/drift?q=nothing-like-this", "/rounds/251000000000-nightly-00000000",
               "/chains/100000000008", "/chains/100000000008/eu-central-1", "/chains/100000000013/eu-central-1",
               "/chains/999999999999", "/rounds/none", "/evidence?account=1", "/events?account=1",
               "/events/who"],
    "large": ["/coverage?ou=Root%2FSandbox&state=proven", "/coverage?page=2&state=proven"],
    "live": ["/rounds/250999999999-nightly-00000001"],
}
SIZES = [(1440, 1000), (390, 844)]
VERBOSE = False
COUNTS = {"passed": 0, "failed": 0}


def check(name, passed, detail=""):
    COUNTS["passed" if passed else "failed"] += 1
    if VERBOSE or not passed:
        print(f"  {'ok' if passed else 'FAILED':6} {name}{f': {detail}' if detail and not passed else ''}", flush=True)


def start_samples():
    """The server of samples: a test that serves until it is killed."""
    server = subprocess.Popen(
        ["cargo", "test", "--quiet", "--lib", "--", "--ignored", "--exact", "serve::pages::tests::serve_samples"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 900
    for port in STATES.values():
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the server of samples did not start") from None
                time.sleep(0.2)
    return server


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", "--force-prefers-reduced-motion"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))


def emulate(driver, width, height, theme):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": theme}]})


ALL = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
# The themes differ in their colors alone.
COLORS = "{runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}}"


def violations(driver, axe, rules):
    # Evaluated by the debugger: the page's policy allows no other script.
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    result = driver.execute_cdp_cmd("Runtime.evaluate", {
        "expression": f"axe.run(document, {rules})"
                      ".then(r => r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + n.failureSummary.slice(0, 200)).join(' | ')))",
        "awaitPromise": True, "returnByValue": True})
    if "exceptionDetails" in result:
        return [str(result["exceptionDetails"])[:500]]
    return result["result"]["value"]


def console(driver, status):
    entries = [entry["message"] for entry in driver.get_log("browser")]
    # Chromium reports the status of the page itself, and a missing icon.
    return [entry for entry in entries if "favicon" not in entry and not (status >= 400 and f"status of {status}" in entry)]


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def one_page(driver, axe, origin, state, path, screenshots, status=None):
    url = origin + path
    name = f"{state} {path}"
    if status is None:
        status, headers = status_of(url)
        policy = headers.get("content-security-policy", "")
        check(f"{name}: has a strict policy", "default-src 'none'" in policy, dict(headers))
    for theme in ("light", "dark"):
        for width, height in SIZES:
            which = f"{name}, {theme}, {width}"
            emulate(driver, width, height, theme)
            driver.get(url)
            # All details open: what they contain is checked as well.
            for is_open in (False, True):
                if is_open:
                    driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
                if is_open or (theme, width) == ("light", SIZES[0][0]):
                    found = violations(driver, axe, ALL if theme == "light" else COLORS)
                    check(f"{which}: axe-core", not found, found)
                overflow = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
                check(f"{which}: does not scroll sideways", overflow <= 0, f"{overflow} px")
            logged = console(driver, status)
            check(f"{which}: nothing in the console", not logged, logged)
            if screenshots:
                driver.get(url)
                tall = min(driver.execute_script("return document.documentElement.scrollHeight"), 4000)
                emulate(driver, width, max(tall, height), theme)
                file = re.sub(r"[^a-z0-9]+", "-", f"{state}{path}").strip("-")
                driver.save_screenshot(os.path.join(screenshots, f"{file}-{theme}-{width}.png"))
    emulate(driver, 320, 640, "light")
    driver.get(url)
    driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    overflow = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    check(f"{name}: does not scroll sideways at 320 pixels", overflow <= 0, f"{overflow} px")
    console(driver, status)
    keyboard(driver, name, url)


def keyboard(driver, name, url):
    """The order of the keyboard: skip link, brand, Reload, navigation."""
    emulate(driver, 1440, 1000, "light")
    driver.get(url)
    stops = []
    for _ in range(4):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        stops.append(driver.switch_to.active_element.text)
    expected = ["Skip to main content", "orgtrail"]
    bare = not driver.find_elements(By.CSS_SELECTOR, "nav[aria-label=Main]")
    if not bare:
        expected += ["Reload", "Overview"]
    check(f"{name}: the keyboard reaches the skip link first", stops[:len(expected)] == expected, stops)
    outline = driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    check(f"{name}: the focus is visible", outline == "solid", outline)
    driver.get_log("browser")


class Service:
    """`orgtrail serve` on a sandbox, which requires a token."""

    def __init__(self, folder, sandbox):
        config = os.path.join(folder, "orgtrail.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""
[organization]
management_account = "{sandbox.management_account}"
log_archive_account = "{sandbox.log_archive_account}"
home_region = "us-east-1"
[archive]
bucket = "acme-log-archive"
[service]
listen = "127.0.0.1:0"
state = "{folder}/state"
[service.access]
tokens = "{folder}/tokens.toml"
[[service.schedule]]
name = "test"
run = ["drift", "verify"]
cron = "0 0 1 1 *"
""")
        self.environment = {"HOME": folder, "AWS_ENDPOINT_URL": sandbox.endpoint, "AWS_REGION": "us-east-1",
                            "ORGTRAIL_PACING": "off", "ORGTRAIL_CONFIG": config, **sandbox.management}
        self.folder = folder
        self.orgtrail("apply", "--yes")
        sandbox.tick(3)
        self.full = self.token("read", "run", "evidence")
        log = os.path.join(folder, "serve.log")
        with open(log, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen([ORGTRAIL, "serve"], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                            env=self.environment, cwd=folder)
        until = time.monotonic() + 60
        while True:
            with open(log, encoding="utf-8") as file:
                text = file.read()
            if found := re.search(r"(http://127[0-9.:]+)/, until", text):
                self.origin = found[1]
                return
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"orgtrail serve did not start: {text}")
            time.sleep(0.1)

    def orgtrail(self, *arguments):
        return subprocess.run([ORGTRAIL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=True,
                              text=True, timeout=600, env=self.environment, cwd=self.folder).stdout

    def token(self, *scopes):
        scopes = [option for scope in scopes for option in ("--scope", scope)]
        return json.loads(self.orgtrail("service", "token", *scopes, "--days", "1", "--format", "json"))["token"]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def text_of(driver, selector="main"):
    return driver.find_element(By.CSS_SELECTOR, selector).text


def press(driver, by, what):
    """Presses a button or link, and waits for the page that it leads to."""
    before = driver.find_element(By.TAG_NAME, "html").id
    driver.find_element(by, what).click()

    def is_there(_):
        state = driver.execute_script("return document.readyState")
        return state == "complete" and driver.find_element(By.TAG_NAME, "html").id != before

    WebDriverWait(driver, 30, poll_frequency=0.05).until(is_there)


def downloads(driver, selector, number):
    """Fetches what links of the page lead to, as the signed-in browser."""
    links = [link.get_attribute("href") for link in driver.find_elements(By.CSS_SELECTOR, selector)]
    check(f"the page has {number} links {selector}", len(links) == number, links)
    for link in links:
        status, size = driver.execute_async_script(
            "const [link, done] = arguments;"
            "fetch(link).then(async r => done([r.status, (await r.blob()).size]), e => done([String(e), 0]))", link)
        check(f"{link} can be downloaded", status == 200 and size > 100, (status, size))


def sign_in(driver, service, token):
    driver.get(f"{service.origin}/sign-in?next=%2Frounds")
    driver.find_element(By.NAME, "token").send_keys(token)
    press(driver, By.XPATH, "//button[.='Sign in']")


def person(driver, axe, screenshots):
    """What a person does with the service, in one session."""
    with tempfile.TemporaryDirectory(prefix="orgtrail-pages-") as folder, Sandbox(folder) as sandbox:
        service = Service(folder, sandbox)
        try:
            emulate(driver, 1440, 1000, "light")
            driver.get(f"{service.origin}/rounds")
            check("without a token the form to sign in is shown", "/sign-in?next=%2Frounds" in driver.current_url,
                  driver.current_url)
            sign_in(driver, service, "orgtrail_wrong")
            check("a wrong token is refused", "The token is not valid." in text_of(driver), text_of(driver))
            driver.get_log("browser")
            one_page(driver, axe, service.origin, "service", "/sign-in", screenshots, status=200)
            sign_in(driver, service, service.token("read"))
            check("a token signs in and leads back", driver.current_url == f"{service.origin}/rounds", driver.current_url)
            check("a token for reading starts no round", "Run now" not in text_of(driver), text_of(driver))
            sign_in(driver, service, service.full)
            check("a token for rounds has the button", "Run now" in text_of(driver), driver.current_url + text_of(driver))
            press(driver, By.XPATH, "//button[.='Run now']")
            page = driver.current_url
            check("the button leads to the round", page.startswith(f"{service.origin}/rounds/"), text_of(driver))
            wait = WebDriverWait(driver, 120, poll_frequency=0.1)
            # Until the round has started, its page says that it waits.
            seen = set()

            def is_over(_):
                main = text_of(driver)
                if "No report yet" in main:
                    driver.get(page)
                    return False
                seen.update(word for word in ("running", "done") if word in main.lower())
                return "The round has ended." in main or "Exit code" in text_of(driver, "h1 + p")

            wait.until(is_over)
            ended = driver.find_elements(By.ID, "progress-text")
            check("the page of the round shows its progress without reloading",
                  bool(ended) and "The round has ended." in ended[0].text and "running" in seen, (seen, text_of(driver)))
            check("the end is announced", bool(ended) and text_of(driver, "#news") == ended[0].text, text_of(driver))
            wait.until(lambda _: (driver.get(page), "Reports" in text_of(driver))[1])
            check("the finished round lists its reports", "HTML" in text_of(driver), text_of(driver))
            downloads(driver, "a[href*='/report?']", 7)
            driver.get(f"{service.origin}/evidence")
            press(driver, By.XPATH, "//button[.='Build it in the background']")
            wait.until(lambda _: (driver.get(f"{service.origin}/evidence"), "building" not in text_of(driver))[1])
            check("a bundle is built", "ready" in text_of(driver), text_of(driver))
            downloads(driver, "a[href$='/bundle']", 1)
            check("nothing in the console", not console(driver, 401), console(driver, 401))
            for path in TOP + [page.removeprefix(service.origin)]:
                one_page(driver, axe, service.origin, "service", path, screenshots, status=200)
            account = sandbox.management_account
            for path in (f"/chains/{account}", f"/chains/{account}/us-east-1", "/events?from=30d&event=Assume*"):
                one_page(driver, axe, service.origin, "service", path, screenshots, status=200)
            driver.get(f"{service.origin}/events?from=30d&event=Assume*")
            check("events are found", "AssumeRole" in text_of(driver), text_of(driver))
            press(driver, By.CSS_SELECTOR, "td a[href^='/events/who?']")
            check("an event leads to who was behind it", "/events/who?" in driver.current_url and "What was read" in
                  text_of(driver), text_of(driver))
            one_page(driver, axe, service.origin, "service", driver.current_url.removeprefix(service.origin), screenshots,
                     status=200)
            one_page(driver, axe, service.origin, "service", "/none", screenshots, status=404)
        finally:
            service.stop()


def main():
    global VERBOSE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--screenshots", metavar="FOLDER")
    parser.add_argument("--only", metavar="TEXT", default="", help="only states and paths that contain this")
    parser.add_argument("--running", action="store_true", help="the samples are served already")
    arguments = parser.parse_args()
    VERBOSE = arguments.verbose
    if arguments.screenshots:
        os.makedirs(arguments.screenshots, exist_ok=True)
    found = glob.glob(os.path.join(PEERS, "browser", "lib", "python3*", "site-packages", "*", "axe.min.js"))
    with open(found[0], encoding="utf-8") as file:
        axe = file.read()
    server = None
    driver = browser()
    try:
        print(f"Chromium {driver.capabilities['browserVersion']}, axe-core {axe[:40].split('v')[1].split()[0]}")
        if not arguments.only or "service".startswith(arguments.only):
            person(driver, axe, arguments.screenshots)
        if not (arguments.running or "service".startswith(arguments.only or "-")):
            server = start_samples()
        for state in STATES:
            for path in TOP + MORE.get(state, []):
                if arguments.only in f"{state} {path}":
                    one_page(driver, axe, f"http://127.0.0.1:{STATES[state]}", state, path, arguments.screenshots)
    finally:
        driver.quit()
        if server:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed")
    return 1 if COUNTS["failed"] else 0


sys.exit(main())
