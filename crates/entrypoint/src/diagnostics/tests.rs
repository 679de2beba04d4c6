use super::*;

fn mask(text: &str) -> String {
    String::from_utf8(masked(text.as_bytes())).unwrap()
}

#[test]
fn what_could_be_a_key_is_masked() {
    for secret in [
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst",
        "VnN0c0FnZW50OmFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6MjM0NTY3",
        "MIIEowIBAAKCAQEA7bq+Zk/9aXc5hQb1Jw0mYp3LrTsVdQeWzKx8nUf4Hg2Io6==",
        "0123456789abcdef0123456789abcdef",
    ] {
        let line = mask(&format!("before '{secret}' after"));
        assert_eq!(line, "before '***' after");
    }
}

#[test]
fn what_helps_is_not() {
    for line in [
        "[2026-01-01 00:00:00Z ERR  Agent] Microsoft.VisualStudio.Services.Common.VssUnauthorizedException: VS30063",
        "GET http://10.0.0.1:8080/org/_apis/distributedtask/pools/1/agents?agentName=web-01",
        "session 8ffcd551-079c-493a-9c02-54346299d144 of vsts-agent-linux-x64-4.270.0",
        "System.Net.Sockets.SocketException (111): Connection refused /azp/agent/_diag/Agent_20260101-000000-utc.log",
    ] {
        assert_eq!(mask(line), line);
    }
}

#[test]
fn only_the_end_of_a_long_log_is_read_and_no_link_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Agent_20260102-000000-utc.log");
    fs::write(folder.path().join("Agent_20260101-000000-utc.log"), "old\n").unwrap();
    fs::write(folder.path().join("Worker_20260103-000000-utc.log"), "worker\n").unwrap();
    fs::write(&file, format!("{}\nthe last line\n", "first line ".repeat(4000))).unwrap();
    assert_eq!(newest(folder.path()).unwrap(), file);
    assert_eq!(tail(&file).unwrap(), b"the last line\n");
    #[cfg(unix)]
    {
        let link = folder.path().join("Agent_99999999-000000-utc.log");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert_eq!(tail(&link), None);
    }
}
