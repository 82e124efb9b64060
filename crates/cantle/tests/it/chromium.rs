//! The sandbox's page in a real Chromium, driven over WebDriver.
//!
//! Source: <https://www.w3.org/TR/webdriver2/>

use std::process::Command;

use cantle_testkit::Process;
use serde_json::{Value, json};

use crate::{http::ask, sandbox::Sandbox, support::SOON};

/// The name of a reference to an element in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Enter, as WebDriver writes it.
const ENTER: &str = "\u{e007}";

/// A Chromium with one window.
struct Browser {
    _driver: Process,
    authority: String,
    session: String,
}

impl Browser {
    /// Starts one that resolves no name, so that nothing it does on its own leaves the machine either.
    fn start(folder: &std::path::Path) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", folder).env("HOME", folder);
        let mut driver = Process::spawn(&mut command).expect("chromedriver is installed");
        let line = driver.wait_for("started successfully on port", SOON).unwrap();
        let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
        let mut browser =
            Self { authority: format!("127.0.0.1:{port}"), session: String::new(), _driver: driver };
        let options = json!({"args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]});
        let session = browser.call(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "timeouts": {"script": 60_000},
            }}}),
        );
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers = [("Host", self.authority.as_str()), ("Content-Type", "application/json")];
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let answer = ask(&self.authority, method, &format!("{}{path}", self.session), &headers, &body);
        let mut value = answer.json();
        assert_eq!(answer.status, 200, "{method} {path}: {value}");
        value["value"].take()
    }

    fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({"url": url}));
    }

    /// What a script returns.
    fn js(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits within the page until an expression holds.
    fn wait_until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0], since = Date.now();
             const look = () => {{
               if ({condition}) done(null);
               else if (Date.now() - since > 50000) done(document.body.innerText);
               else setTimeout(look, 30);
             }};
             look();"
        );
        let waited = self.call("POST", "/execute/async", &json!({"script": script, "args": []}));
        assert_eq!(waited, Value::Null, "never: {condition}");
    }

    fn element(&self, css: &str) -> String {
        let found = self.call("POST", "/element", &json!({"using": "css selector", "value": css}));
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }

    fn click(&self, css: &str) {
        self.call("POST", &format!("{}/click", self.element(css)), &json!({}));
    }

    fn keys(&self, css: &str, keys: &str) {
        self.call("POST", &format!("{}/value", self.element(css)), &json!({"text": keys}));
    }

    fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.call("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.call("POST", "/se/log", &json!({"type": kind})).as_array().unwrap().clone()
    }

    /// The errors on the console so far.
    fn console_errors(&self) -> Vec<Value> {
        self.log("browser").into_iter().filter(|entry| entry["level"] == "SEVERE").collect()
    }

    /// Every address that the page asked for so far.
    fn requested(&self) -> Vec<String> {
        let messages = self
            .log("performance")
            .into_iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let requests = messages.filter(|message| message["message"]["method"] == "Network.requestWillBeSent");
        requests
            .map(|message| message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session; killed, it would leave it behind.
        let headers = [("Host", self.authority.as_str())];
        let (authority, session) = (self.authority.clone(), self.session.clone());
        let _ = std::panic::catch_unwind(|| ask(&authority, "DELETE", &session, &headers, ""));
    }
}

const SIGN_ROWS: &str = "[...document.querySelectorAll('#requests tbody tr')].filter((row) => row.cells[1].textContent === 'Sign')";

#[test]
#[ignore = "needs Chromium"]
fn the_page_shows_nodes_and_keys_and_a_ping_as_it_happens() {
    let sandbox = Sandbox::start();
    let browser = Browser::start(sandbox.folder.path());
    let url = sandbox.printed["page"].as_str().unwrap();
    browser.go(url);
    browser.wait_until("document.getElementById('link').textContent === 'live'");
    browser.wait_until("document.querySelectorAll('#nodes tbody tr').length === 5");
    browser.wait_until("document.querySelectorAll('#keys tbody tr').length === 10");
    browser.wait_until("document.querySelectorAll('#connections tbody .state.good').length === 2");
    assert_eq!(browser.js("return document.querySelectorAll('#nodes .state.good').length"), 5);
    assert_eq!(browser.js("return document.querySelectorAll('#keys .state.good').length"), 10);
    assert_eq!(browser.js("return document.querySelectorAll('#pings tbody tr').length"), 0);

    // By mouse.
    browser.js(&format!("{SIGN_ROWS}.forEach((row) => row.dataset.old = 'yes')"));
    browser.click("#ping-buttons button[data-from=participant1]");
    browser.wait_until("/^participant2 answered participant1 in \\d+ ms/.test(document.getElementById('ping-said').textContent)");
    browser.wait_until("/^\\d+ ms$/.test(document.querySelector('#pings tbody tr')?.cells[2].textContent)");
    browser.wait_until(&format!(
        "{SIGN_ROWS}.some((row) => !row.dataset.old && row.cells[4].textContent === 'ok')"
    ));
    browser.wait_until("document.querySelectorAll('#lanes .bar.Sign').length > 0");
    // By keyboard.
    browser.keys("#ping-buttons button[data-from=participant2]", ENTER);
    browser.wait_until("/^participant1 answered participant2 in \\d+ ms/.test(document.getElementById('ping-said').textContent)");
    browser.wait_until("document.querySelectorAll('#pings tbody tr').length === 2");

    // A pause holds the list still; what comes meanwhile is counted.
    browser.click("#pause");
    let held = browser.js("return document.querySelector('#requests tbody tr').cells[0].textContent");
    browser.click("#ping-buttons button[data-from=participant1]");
    browser.wait_until("/^\\d+ more since$/.test(document.getElementById('held').textContent)");
    assert_eq!(browser.js("return document.querySelector('#requests tbody tr').cells[0].textContent"), held);
    browser.click("#pause");
    browser.wait_until("document.getElementById('held').textContent === ''");
    // Looks at keys are shown when they are asked for.
    browser.click("#checks");
    browser.wait_until("[...document.querySelectorAll('#requests tbody tr')].some((row) => row.cells[1].textContent === 'DescribeKey')");

    for width in [400, 1400] {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        browser.cdp("Emulation.setDeviceMetricsOverride", size);
        assert_eq!(browser.js("return innerWidth"), width);
        let over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.js(over), 0, "no horizontal scroll at {width}");
        let nodes = "document.querySelectorAll('#nodes [role=row] [role=cell]')";
        assert_eq!(browser.js(&format!("return {nodes}.length")), 25, "a table also where rows are blocks");
    }
    assert_eq!(browser.console_errors(), [Value::Null; 0]);
    let requested = browser.requested();
    assert!(requested.iter().any(|address| address.ends_with("/events")), "{requested:?}");
    for address in requested.iter().filter(|address| !address.starts_with("data:")) {
        assert!(address.starts_with(url), "{address} is not on loopback");
    }

    // When the sandbox stops, the page says so.
    let finished = sandbox.process.terminate(SOON).unwrap();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    browser.wait_until("document.getElementById('link').textContent === 'stopped'");
    browser.wait_until("document.querySelector('main').matches('.stale')");
    browser.wait_until(
        "[...document.querySelectorAll('#ping-buttons button')].every((button) => button.disabled)",
    );
    assert_eq!(browser.console_errors(), [Value::Null; 0]);
}
