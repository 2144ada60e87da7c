//! Who may use the API: names of the host, origins, tokens, rates.

use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use wasmote_api::guard::Ends;
use wasmote_fleet::config::options::Options;

use crate::harness::{Answer, Harness, LOCAL, REMOTE};

const TOKEN: &str = "correct-horse-battery-staple";
const STOP: &str = "/devices/heartbeat-0/start";

fn from(ends: Ends, method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path).extension(ends)
}

async fn ask(harness: &Harness, request: Builder) -> Answer {
    harness.ask(request.body(Body::empty()).unwrap()).await
}

fn with_token() -> Options {
    Options { http_token: Some(TOKEN.parse().unwrap()), ..Options::default() }
}

/// The count of refusals for a reason.
async fn refused(harness: &Harness, reason: &str) -> u64 {
    let request = from(LOCAL, "GET", "/metrics").header("x-wasmote-token", TOKEN);
    let metrics = ask(harness, request).await.json();
    metrics["http"]["refused"][reason].as_u64().unwrap_or_else(|| panic!("{reason}: {metrics}"))
}

/// A page whose name resolves to this machine has the same origin as its requests, but not a name of this host.
#[tokio::test]
async fn a_page_under_a_foreign_name_can_neither_change_nor_read() {
    let harness = Harness::new(2).await;
    for host in ["evil.example:5000", "evil.example", "127.0.0.1.evil.example:5000", "localhost.evil.example"]
    {
        for (method, path) in [("PUT", "/faults"), ("POST", STOP), ("DELETE", "/faults"), ("GET", "/status")]
        {
            let request =
                from(LOCAL, method, path).header("host", host).header("origin", format!("http://{host}"));
            let answer = ask(&harness, request).await;
            assert_eq!(answer.refusal(), (421, "host".into()), "{method} {path} of {host}");
            assert!(answer.text.contains("--http-host"), "{}", answer.text);
        }
    }
    // A target with a host takes precedence over the header.
    let absolute =
        from(LOCAL, "POST", "http://evil.example/devices/heartbeat-0/start").header("host", "localhost");
    assert_eq!(ask(&harness, absolute).await.refusal(), (421, "host".into()));
    let twice = from(LOCAL, "POST", STOP).header("host", "localhost").header("host", "evil.example");
    assert_eq!(ask(&harness, twice).await.refusal(), (400, "host".into()));
    for invalid in ["", "me@localhost", "localhost:x"] {
        let request = from(LOCAL, "POST", STOP).header("host", invalid);
        assert_eq!(ask(&harness, request).await.refusal(), (400, "host".into()), "{invalid}");
    }
    assert_eq!(refused(&harness, "host").await, 17);
    assert_eq!(refused(&harness, "malformed").await, 4);
    for host in ["localhost:5000", "127.0.0.1", "[::1]:5000", "10.1.2.3:5000"] {
        assert_eq!(ask(&harness, from(LOCAL, "POST", STOP).header("host", host)).await.status, 200, "{host}");
    }
    let probe = from(REMOTE, "GET", "/healthz").header("host", "evil.example");
    assert_eq!(ask(&harness, probe).await.status, 200, "a probe is answered under every name");
}

#[tokio::test]
async fn names_are_allowed_by_a_flag_and_a_star_only_for_reading() {
    let options =
        Options { http_hosts: vec!["lab.example".into(), "*.svc".into(), "*".into()], ..Options::default() };
    let harness = Harness::with(1, options).await;
    for host in ["lab.example", "LAB.example:5000", "iot-a.lab.svc:5000"] {
        assert_eq!(ask(&harness, from(LOCAL, "POST", STOP).header("host", host)).await.status, 200, "{host}");
    }
    let other = |method, path| from(LOCAL, method, path).header("host", "api-server.example:6443");
    assert_eq!(ask(&harness, other("GET", "/status")).await.status, 200);
    assert_eq!(ask(&harness, other("POST", STOP)).await.refusal(), (421, "host".into()));
}

#[tokio::test]
async fn a_foreign_origin_changes_nothing_even_under_a_known_name() {
    let harness = Harness::with(1, with_token()).await;
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:8080"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = from(LOCAL, "POST", STOP).header(header, value).header("x-wasmote-token", TOKEN);
        assert_eq!(ask(&harness, request).await.refusal(), (403, "origin".into()), "{header}: {value}");
    }
    let own =
        from(LOCAL, "POST", STOP).header("sec-fetch-site", "same-origin").header("x-wasmote-token", TOKEN);
    assert_eq!(ask(&harness, own).await.status, 200);
    assert_eq!(refused(&harness, "origin").await, 5);
}

#[tokio::test]
async fn without_a_token_only_this_machine_changes_a_fleet() {
    let harness = Harness::new(1).await;
    for path in ["/status", "/metrics", "/faults", "/devices/heartbeat-0/app/x"] {
        assert_eq!(ask(&harness, from(REMOTE, "GET", path)).await.status, 200, "{path}");
    }
    for (method, path) in [
        ("POST", STOP),
        ("DELETE", "/faults"),
        ("PUT", "/behaviours/heartbeat"),
        ("PUT", "/devices/heartbeat-0/app/x"),
    ] {
        let answer = ask(&harness, from(REMOTE, method, path)).await;
        assert_eq!(answer.refusal(), (403, "authorization".into()), "{method} {path}");
        assert!(answer.text.contains("wasmote token"), "{}", answer.text);
    }
    // A proxy on this machine serves clients elsewhere.
    let proxied = from(LOCAL, "POST", STOP).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(ask(&harness, proxied).await.refusal(), (403, "authorization".into()));
    let mapped = Ends { client: "[::ffff:127.0.0.1]:40000".parse().unwrap(), ..LOCAL };
    assert_eq!(ask(&harness, from(mapped, "POST", STOP)).await.status, 200);
    let own_address = Ends { client: std::net::SocketAddr::new(LOCAL.host.ip(), 40_000), ..LOCAL };
    assert_eq!(ask(&harness, from(own_address, "POST", STOP)).await.status, 200);
    assert_eq!(refused(&harness, "remote").await, 5);

    let open = Harness::with(1, Options { http_open: Some(true), ..Options::default() }).await;
    assert_eq!(ask(&open, from(REMOTE, "POST", STOP)).await.status, 200);
    let private = Harness::with(1, Options { http_private: Some(true), ..Options::default() }).await;
    assert_eq!(ask(&private, from(REMOTE, "GET", "/status")).await.refusal(), (403, "authorization".into()));
    assert_eq!(ask(&private, from(LOCAL, "GET", "/status")).await.status, 200);
    assert_eq!(ask(&private, from(REMOTE, "GET", "/healthz")).await.status, 200);
}

#[tokio::test]
async fn with_a_token_every_change_needs_it() {
    let harness = Harness::with(1, with_token()).await;
    let bearer = format!("Bearer {TOKEN}");
    let lower = format!("bearer  {TOKEN}");
    for (header, value) in [
        ("authorization", "Bearer wrong-horse-battery-staple"),
        ("authorization", "Bearer "),
        ("authorization", TOKEN),
        ("authorization", "Basic Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ=="),
        ("x-wasmote-token", &TOKEN[1..]),
        ("cookie", &bearer),
        ("x-other", TOKEN),
    ] {
        for ends in [LOCAL, REMOTE] {
            let answer = ask(&harness, from(ends, "POST", STOP).header(header, value)).await;
            assert_eq!(answer.refusal(), (401, "authorization".into()), "{header}: {value}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"wasmote\"");
            assert!(!answer.text.contains("staple"), "{}", answer.text);
        }
    }
    assert_eq!(refused(&harness, "token").await, 14);
    for (header, value) in
        [("authorization", bearer.as_str()), ("authorization", &lower), ("x-wasmote-token", TOKEN)]
    {
        let request = from(REMOTE, "POST", STOP).header("host", "api-server.example").header(header, value);
        assert_eq!(ask(&harness, request).await.status, 200, "{header}: {value}");
    }
    assert_eq!(ask(&harness, from(REMOTE, "GET", "/status")).await.status, 200, "reading is open");

    let private = Harness::with(1, Options { http_private: Some(true), ..with_token() }).await;
    for path in ["/status", "/metrics", "/openapi.json", "/", "/devices/heartbeat-0/app/x", "/nowhere"] {
        assert_eq!(
            ask(&private, from(LOCAL, "GET", path)).await.refusal(),
            (401, "authorization".into()),
            "{path}"
        );
    }
    let request = from(REMOTE, "GET", "/status").header("authorization", &bearer);
    assert_eq!(ask(&private, request).await.status, 200);
    assert_eq!(ask(&private, from(REMOTE, "GET", "/readyz")).await.status, 503, "a probe needs no token");
    let document = ask(&private, from(LOCAL, "GET", "/openapi.json").header("authorization", &bearer)).await;
    assert!(document.json()["paths"]["/faults"]["put"]["security"].is_array());
    assert!(!document.text.contains("staple"));
}

/// A behaviour is code of somebody else. It gets its own credentials, and never the host's.
#[tokio::test]
async fn a_behaviour_never_gets_the_token() {
    let harness = Harness::with(1, with_token()).await;
    let request = from(LOCAL, "GET", "/devices/heartbeat-0/app/headers")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("x-wasmote-token", "anything")
        .header("accept", "text/plain");
    let seen = ask(&harness, request).await.text;
    assert!(seen.contains("text/plain") && !seen.contains("staple") && !seen.contains("anything"), "{seen}");
    let request = from(LOCAL, "POST", "/devices/heartbeat-0/app/headers")
        .header("authorization", "Basic b3du")
        .header("x-wasmote-token", TOKEN);
    let seen = ask(&harness, request).await.text;
    assert!(seen.contains("Basic b3du") && !seen.contains("staple"), "{seen}");
}

/// A page that a behaviour serves must not act in the API's origin.
#[tokio::test]
async fn pages_of_behaviours_are_sandboxed() {
    let harness = Harness::new(1).await;
    let page = ask(&harness, from(LOCAL, "GET", "/devices/heartbeat-0/app/")).await;
    assert!(
        page.header("content-security-policy").contains("sandbox"),
        "{}",
        page.header("content-security-policy")
    );
    for path in ["/", "/status", "/nowhere", "/devices/heartbeat-0/app/"] {
        let answer = ask(&harness, from(LOCAL, "GET", path)).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn an_address_that_sends_too_much_is_told_to_wait_and_others_are_not() {
    let options = Options { http_rate: Some("5/s".parse().unwrap()), ..Options::default() };
    let harness = Harness::with(1, options).await;
    let mut limited = 0;
    for _ in 0..30 {
        let answer = ask(&harness, from(REMOTE, "GET", "/faults")).await;
        if answer.status != 200 {
            assert_eq!(answer.refusal(), (429, "rate".into()));
            assert_eq!(answer.header("retry-after"), "1");
            limited += 1;
        }
        assert_eq!(
            ask(&harness, from(REMOTE, "GET", "/healthz")).await.status,
            200,
            "a probe is not limited"
        );
    }
    assert!(limited >= 15, "{limited} of 30 requests were refused");
    assert_eq!(refused(&harness, "rate").await, limited);
}

#[tokio::test]
async fn a_long_path_is_refused() {
    let harness = Harness::new(1).await;
    let answer = ask(&harness, from(LOCAL, "GET", &format!("/devices/{}", "x".repeat(5_000)))).await;
    assert_eq!(answer.refusal(), (414, "path".into()));
    assert_eq!(refused(&harness, "header_size").await, 1);
}
