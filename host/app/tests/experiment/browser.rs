//! Headless browser without network access, controlled through a pipe (Chrome DevTools Protocol).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Names of the browser executable.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // This address has no listener.
    "--proxy-server=127.0.0.1:1",
    "--remote-debugging-pipe",
];

/// Browser with one open page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    sent: u64,
    /// Events received since the page was opened.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// A browser that reaches nothing.
    pub fn start() -> Self {
        Self::start_with(&["--proxy-bypass-list=<-loopback>", "--host-resolver-rules=MAP * ~NOTFOUND"])
    }

    /// A browser that reaches only this machine.
    #[allow(dead_code, reason = "some tests that share this file need only files")]
    pub fn start_local() -> Self {
        Self::start_with(&["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"])
    }

    fn start_with(flags: &[&str]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let name = NAMES.into_iter().find(|name| {
            let asked =
                Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        });
        // The browser reads commands from file descriptor 3 and writes to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .arg(name.expect("Chromium is installed (`make test` installs it)"))
            .args(FLAGS)
            .args(flags)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { child, to, from, session: None, sent: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attached);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser exited");
        serde_json::from_slice(&message).unwrap()
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        loop {
            let mut reply = self.read();
            if reply["id"] == self.sent {
                assert!(reply["error"].is_null(), "{method}: {reply}");
                return reply["result"].take();
            }
            self.events.push(reply);
        }
    }

    /// Opens a page with a viewport `width` in pixels, and waits until it is loaded.
    pub fn open(&mut self, page: &Path, width: u32) {
        self.open_url(&format!("file://{}", page.display()), width);
    }

    /// Opens an address like [`Self::open`].
    pub fn open_url(&mut self, url: &str, width: u32) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.events.clear();
        self.call("Page.navigate", json!({"url": url}));
        let scheme = url.split_once(':').expect("an absolute address").0;
        // A load event may belong to the previous page.
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        let mut earlier_loads = 0;
        loop {
            while self.events.iter().filter(|event| loaded(event)).count() <= earlier_loads {
                let event = self.read();
                self.events.push(event);
            }
            let state = self.evaluate("[location.protocol, document.readyState].join()");
            assert_ne!(state, "chrome-error:,complete", "{url} cannot be loaded");
            if state == format!("{scheme}:,complete") {
                return;
            }
            earlier_loads += 1;
        }
    }

    /// Evaluates an expression until it is true, at most for this time.
    #[allow(dead_code, reason = "some tests that share this file need no waiting")]
    pub fn wait_until(&mut self, condition: &str, timeout: Duration) {
        let expression = format!(
            "new Promise((done) => {{ const end = Date.now() + {}; const look = () => {{ let is = false; \
             try {{ is = Boolean({condition}); }} catch (problem) {{ is = false; }} \
             if (is || Date.now() > end) done(is); else setTimeout(look, 30); }}; look(); }})",
            timeout.as_millis()
        );
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params);
        if answer["result"]["value"] != true {
            let text = self.evaluate("document.body.innerText");
            panic!("not within {timeout:?}: {condition}; the page:\n{}", text.as_str().unwrap_or_default());
        }
    }

    /// Clicks the middle of the element that a selector finds, with the events of a real mouse.
    #[allow(dead_code, reason = "some tests that share this file click nothing")]
    pub fn click(&mut self, selector: &str) {
        let found = self.evaluate(&format!(
            "(() => {{ const found = document.querySelector({}); if (!found) return null; \
             found.scrollIntoView({{block: \"center\"}}); const box = found.getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        assert!(found.is_array(), "there is no {selector}");
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": found[0], "y": found[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Replaces the text of an input by typing.
    #[allow(dead_code, reason = "some tests that share this file type nothing")]
    pub fn fill(&mut self, selector: &str, text: &str) {
        self.click(selector);
        self.evaluate(&format!("document.querySelector({}).select()", json!(selector)));
        self.call("Input.insertText", json!({"text": text}));
        self.evaluate(&format!(
            "document.querySelector({}).dispatchEvent(new Event(\"change\", {{bubbles: true}}))",
            json!(selector)
        ));
    }

    /// Chooses an option of a list by its value.
    #[allow(dead_code, reason = "some tests that share this file choose nothing")]
    pub fn choose(&mut self, selector: &str, value: &str) {
        let chosen = self.evaluate(&format!(
            "(() => {{ const list = document.querySelector({}); list.value = {}; \
             list.dispatchEvent(new Event(\"change\", {{bubbles: true}})); return list.value; }})()",
            json!(selector),
            json!(value)
        ));
        assert_eq!(chosen, value, "{selector} has no such option");
    }

    /// Drops a file on an element, as from a file manager.
    #[allow(dead_code, reason = "some tests that share this file drop nothing")]
    pub fn drop_file(&mut self, selector: &str, file: &Path) {
        let place = self.evaluate(&format!(
            "(() => {{ const found = document.querySelector({}); found.scrollIntoView({{block: \"center\"}}); \
             const box = found.getBoundingClientRect(); return [box.x + 8, box.y + 8]; }})()",
            json!(selector)
        ));
        let data = json!({"items": [], "files": [file], "dragOperationsMask": 1});
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "data": data});
            self.call("Input.dispatchDragEvent", event);
        }
    }

    /// Uses the light or the dark colours.
    #[allow(dead_code, reason = "some tests that share this file have one scheme")]
    pub fn set_dark(&mut self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Writes a picture of the whole page, as PNG.
    #[allow(dead_code, reason = "some tests that share this file take no pictures")]
    pub fn screenshot(&mut self, file: &Path) {
        // Without a clip, the width lacks that of a scroll bar, which headless pages do not show.
        let size = self.evaluate("[innerWidth, document.documentElement.scrollHeight]");
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let taken = self.call(
            "Page.captureScreenshot",
            json!({"format": "png", "captureBeyondViewport": true, "clip": clip}),
        );
        let png = STANDARD.decode(taken["data"].as_str().expect("text")).expect("Base64");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, png).expect("a file");
    }

    /// Evaluates a JavaScript expression on the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Evaluates an expression, and the promise that it may be.
    #[allow(dead_code, reason = "some tests that share this file await nothing")]
    pub fn resolve(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Presses a key, which a page gets as `keydown` and `keyup`.
    #[allow(dead_code, reason = "some tests that share this file press nothing")]
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            " " => 32,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { text };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Drags the mouse between two places of an element, given as parts of its width and height, with these keys held:
    /// 8 is Shift.
    #[allow(dead_code, reason = "some tests that share this file drag nothing")]
    pub fn drag(&mut self, selector: &str, from: (f64, f64), to: (f64, f64), keys: u32) {
        let place = self.evaluate(&format!(
            "(() => {{ const found = document.querySelector({}); found.scrollIntoView({{block: \"center\"}}); \
             const box = found.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }})()",
            json!(selector)
        ));
        let number = |at: usize| place[at].as_f64().expect("a number");
        let at = |(x, y): (f64, f64)| (number(0) + x * number(2), number(1) + y * number(3));
        let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        for (kind, place) in
            [("mousePressed", from), ("mouseMoved", middle), ("mouseMoved", to), ("mouseReleased", to)]
        {
            let (x, y) = at(place);
            let event = json!({
                "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "modifiers": keys,
            });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Console messages and script errors of the page.
    pub fn errors(&self) -> Vec<&Value> {
        const KINDS: [&str; 3] = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
        let is_error = |event: &&Value| KINDS.iter().any(|kind| event["method"] == *kind);
        self.events.iter().filter(is_error).collect()
    }

    /// URLs that the page requested, including its own.
    pub fn requests(&self) -> Vec<&str> {
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
