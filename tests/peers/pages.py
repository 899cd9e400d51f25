"""The pages of the service in Chromium, with axe-core.

    pages.py [--verbose] [--screenshots FOLDER]

Every page of sample organizations, in each state (112 accounts, 5,000, before the first
round, with a round that runs, state unreadable), light and dark, 1440 and 390 pixels wide:
no violation that axe-core finds, nothing in the console, no page that scrolls sideways from
320 pixels up, and the skip link is the first stop of the keyboard. Runs in the environment
`browser` of setup.sh.
"""

import argparse
import glob
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from sandbox import PEERS, ROOT  # noqa: E402

# Names by the ports of `serve_samples` in src/serve/pages/tests.rs.
STATES = {"sample": 8787, "large": 8788, "empty": 8789, "unread": 8790, "live": 8791}
TOP = ["/", "/coverage", "/drift", "/sources", "/rounds", "/evidence", "/landing-zone"]
MORE = {
    "sample": ["/coverage?state=dark", "/coverage?account=nothing-like-this", "/drift?severity=critical",
               "/drift?q=nothing-like-this", "/rounds/251000000000-nightly-00000000",
               "/chains/100000000008", "/chains/100000000008/eu-central-1", "/chains/100000000013/eu-central-1",
               "/chains/999999999999", "/rounds/none", "/evidence?account=1"],
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


def violations(driver, axe):
    # Evaluated by the debugger: the page's policy allows no other script.
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    result = driver.execute_cdp_cmd("Runtime.evaluate", {
        "expression": "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
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


def one_page(driver, axe, state, path, screenshots):
    url = f"http://127.0.0.1:{STATES[state]}{path}"
    status, headers = status_of(url)
    name = f"{state} {path}"
    check(f"{name}: has a strict policy", "default-src 'none'" in headers.get("content-security-policy", ""), dict(headers))
    for theme in ("light", "dark"):
        for width, height in SIZES:
            which = f"{name}, {theme}, {width}"
            emulate(driver, width, height, theme)
            driver.get(url)
            # All details open: what they contain is checked as well.
            for is_open in (False, True):
                if is_open:
                    driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
                found = violations(driver, axe)
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
    server = None if arguments.running else start_samples()
    driver = browser()
    try:
        print(f"Chromium {driver.capabilities['browserVersion']}, {axe[:40].split('v')[1].split()[0]} of axe-core")
        for state in STATES:
            for path in TOP + MORE.get(state, []):
                if arguments.only in f"{state} {path}":
                    one_page(driver, axe, state, path, arguments.screenshots)
    finally:
        driver.quit()
        if server:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed")
    return 1 if COUNTS["failed"] else 0


sys.exit(main())
